"""The gate every request passes: who asks, whether the view is theirs, and one database transaction.

Promises:
 - Deny by default. A view is reached without sign-in only if it stands in ``ANONYMOUS_VIEWS``; every other view names
   its rule with ``open_to``, and an app with a view that names none does not start.
 - A refused page reads as one that does not exist.
 - ``current_session`` reads for the actor's scope, so a view cannot load what the actor may not see. It commits once,
   after a view that returns, and rolls back after one that raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import structlog
from flask import Flask, Response, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.config import Settings
from portal.db import Scope, set_scope
from portal.errors import NotAllowed, NotFound
from portal.identity.factors.rules import BY_PROVIDER
from portal.identity.rules import Viewer
from portal.outbound import Outbound
from portal.payments.gateway import Gateway

ANONYMOUS_VIEWS = frozenset(
    {
        "static",
        "bootstrap.static",
        "health.healthz",
        "health.readyz",
        "identity.sign_in",
        "identity.second_factor",
        "identity.sign_in_by_passkey",
        "identity.company",
        "identity.company_start",
        "identity.company_callback",
        "identity.company_confirmation",
        "identity.company_front_logout",
        "identity.forgotten",
        "links.link",
    }
)
# Where somebody may go before the second factor that the organisation asks for is there.
SETTING_UP_VIEWS = frozenset(
    {
        "identity.factors",
        "identity.begin_generator",
        "identity.generator",
        "identity.generator_image",
        "identity.new_passkey",
        "identity.prove",
        "identity.prove_at_company",
        "identity.sign_out",
        "identity.switch_organisation",
    }
)
# What somebody who looks on as another person may send: the way back.
LOOKING_ON_VIEWS = frozenset({"identity.look_away"})
# What a company's provider must not change for somebody who also acts for another company: how they sign in there.
OWN_CREDENTIAL_VIEWS = frozenset(
    {
        "identity.begin_generator",
        "identity.generator",
        "identity.remove_generator",
        "identity.new_passkey",
        "identity.remove_passkey",
        "identity.make_recovery_codes",
        "identity.change_address",
    }
)
_ONE_COMPANY = (
    "You are signed in through your company, which speaks for itself only, and you also act for another one. "
    "Sign in with your own password or passkey to change how you sign in."
)
# What a directory calls with a token of its own.
_SCIM_VIEWS = (
    "scim.config",
    "scim.resource_types",
    "scim.resource_type",
    "scim.all_schemas",
    "scim.schema",
    "scim.list_users",
    "scim.search_users",
    "scim.create_user",
    "scim.read_user",
    "scim.replace_user",
    "scim.patch_user",
    "scim.delete_user",
    "scim.list_groups",
    "scim.search_groups",
    "scim.create_group",
    "scim.read_group",
    "scim.replace_group",
    "scim.patch_group",
    "scim.delete_group",
    "scim.search",
    "scim.bulk",
    "scim.nothing",
)
# Calls by programs that hold no page of ours: each verifies a signature or a token of its own instead.
SIGNED_POSTS = frozenset({"webhooks.snapshot", "webhooks.thin", "identity.company_logout", *_SCIM_VIEWS})

UTC_ZONE = ZoneInfo("UTC")
BIGGEST_ID = 2**63 - 1

Rule = Callable[[Actor], bool]
View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

csrf = CSRFProtect()


@dataclass(frozen=True)
class Edges:
    """What the wiring hands to views: settings, the clock, how a session is opened, Stripe, and calls to providers."""

    settings: Settings
    clock: Callable[[], datetime]
    open_session: Callable[[], Session]
    gateway: Gateway | None = None
    outbound: Outbound = field(default_factory=Outbound)
    open_report_session: Callable[[], Session] | None = None


class PortalFlask(Flask):
    """Flask whose transaction ends with the view, so that a refused commit is answered like any other error."""

    def dispatch_request(self) -> ResponseReturnValue:
        answer = super().dispatch_request()
        if "session" in g:
            g.session.commit()
        return answer


def open_to(rule: Rule) -> Callable[[View], View]:
    """State who may reach the view: a predicate of the actor. It stands directly above the view function."""

    def mark(view: View) -> View:
        view.open_to = rule  # type: ignore[attr-defined]
        return view

    return mark


def anyone(actor: Actor) -> bool:
    """Everybody who is signed in; what they see is decided by the query."""
    return actor.act is None


def register(app: Flask, edges: Edges, viewer_of: Callable[[], Viewer | None]) -> None:
    """Put the gate in front of ``app``; ``viewer_of`` reads the request's sign-in."""
    app.extensions["portal"] = edges

    @app.before_request
    def admit() -> ResponseReturnValue | None:
        g.now = current_edges().clock()
        if request.endpoint is None or request.endpoint in ("static", "bootstrap.static"):
            return None
        _refuse_impossible_addresses()
        if request.mimetype != "multipart/form-data":
            # Werkzeug reads such a body at once, whatever the limit of form text.
            request.max_content_length = app.config["MAX_FORM_MEMORY_SIZE"]
        g.viewer = viewer_of()
        if g.viewer is not None:
            structlog.contextvars.bind_contextvars(
                person_id=g.viewer.actor.person_id, organisation_id=g.viewer.actor.organisation_id
            )
        if request.endpoint in ANONYMOUS_VIEWS or request.endpoint in SIGNED_POSTS:
            return None
        if g.viewer is None:
            return _to_sign_in()
        if not vars(app.view_functions[request.endpoint])["open_to"](g.viewer.actor):
            raise NotFound
        if g.viewer.looking_on is not None:
            _refuse_acts_while_looking_on(request.endpoint)
        if speaks_for_one_company(g.viewer) and request.endpoint in OWN_CREDENTIAL_VIEWS and request.method == "POST":
            raise NotAllowed(_ONE_COMPANY)
        if g.viewer.must_set_up and request.endpoint not in SETTING_UP_VIEWS:
            return _to_second_factor(g.viewer)
        return None

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        for name in ("session", "report_session"):
            session = g.pop(name, None)
            if session is not None:
                session.close()

    # After ``admit``, so that a stranger's post is sent to sign in before its token is looked at.
    csrf.init_app(app)


def check_every_view(app: Flask) -> None:
    """Raise at start if a view neither names its rule nor stands in a list; signed posts carry no form's token."""
    known = ANONYMOUS_VIEWS | SIGNED_POSTS
    bare = sorted(
        name for name, view in app.view_functions.items() if name not in known and not hasattr(view, "open_to")
    )
    if bare:
        raise RuntimeError(f"views without open_to(...): {', '.join(bare)}")
    for name in SIGNED_POSTS:
        csrf.exempt(app.view_functions[name])


def current_edges() -> Edges:
    """The wiring of the running app."""
    edges: Edges = current_app.extensions["portal"]
    return edges


def current_session() -> Session:
    """The request's database session."""
    if "session" not in g:
        g.session = current_edges().open_session()
    session: Session = g.session
    return session


def report_session() -> Session:
    """The session that reports read by: the replica's where one is named, with the same scope, else the request's."""
    open_session = current_edges().open_report_session
    if open_session is None:
        return current_session()
    if "report_session" not in g:
        g.report_session = open_session()
        actor = current_actor()
        set_scope(g.report_session, Scope(actor.organisation_id, actor.person_id))
    session: Session = g.report_session
    return session


def current_viewer() -> Viewer:
    """Who is signed in, with name, organisation and zone; only views behind the gate ask."""
    viewer: Viewer | None = g.get("viewer")
    if viewer is None:
        raise NotFound
    return viewer


def current_actor() -> Actor:
    """The actor of the request: the one signed in, or the one a mailed link makes."""
    actor: Actor | None = g.get("link_actor")
    return actor or current_viewer().actor


def current_now() -> datetime:
    """The one instant of this request."""
    now: datetime = g.now
    return now


def current_zone() -> ZoneInfo:
    """The zone times are shown in: the viewer's, or UTC for a stranger."""
    viewer: Viewer | None = g.get("viewer")
    return viewer.zone if viewer else UTC_ZONE


def speaks_for_one_company(viewer: Viewer) -> bool:
    """Whether only a company's provider says who this is, of somebody who also acts for another company."""
    return viewer.proven.by in BY_PROVIDER and bool(viewer.other_organisations)


def _refuse_impossible_addresses() -> None:
    # PostgreSQL holds no NUL and no id beyond bigint: asking it would be an error where "nothing here" is the answer.
    has_nul = "\x00" in request.path or b"%00" in request.query_string
    numbers = [value for value in (request.view_args or {}).values() if isinstance(value, int)]
    if has_nul or any(number > BIGGEST_ID for number in numbers):
        raise NotFound


def _refuse_acts_while_looking_on(endpoint: str) -> None:
    if endpoint in LOOKING_ON_VIEWS:
        return
    if request.method not in ("GET", "HEAD"):
        raise NotAllowed("You are looking on: nothing can be changed in somebody else's name.")
    if endpoint.startswith("identity."):
        raise NotAllowed("You are looking on: how somebody signs in stays theirs.")


def _to_second_factor(viewer: Viewer) -> ResponseReturnValue:
    if not viewer.held.has_second_factor:
        return redirect(url_for("identity.factors"), code=303)
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("identity.prove", next=wanted), code=303)


def _to_sign_in() -> ResponseReturnValue:
    if request.method in ("GET", "HEAD"):
        wanted = request.full_path.rstrip("?") if request.path != "/" else None
        return redirect(url_for("identity.sign_in", next=wanted), code=303)
    # A form sent after the session ended: the typed text is still in the page the browser goes back to.
    return Response(render_template("errors/signed_out.html"), status=401)
