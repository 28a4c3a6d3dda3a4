"""Sign-in through a company's own provider: leaving for it, coming back, confirming, and its word that a session ends.

A post never redirects to a provider: the content policy would hold back the form, and naming every provider there would
weaken it. A page that leads on by itself does instead.
"""

from __future__ import annotations

import secrets
from uuid import UUID

import structlog
from flask import Response, flash, g, jsonify, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from portal.db import Scope, set_scope
from portal.errors import NotAllowed, NotFound, PortalError, ProviderTrouble
from portal.identity import throttling
from portal.identity.factors import proving
from portal.identity.factors.rules import Proven
from portal.identity.links import OpenLink
from portal.identity.sso import domains, flows, linking, logout, outcomes, rules, settings, signing_in, tokens
from portal.identity.sso.models import IdentityProvider, ProviderFlow
from portal.identity.sso.requirement import ProviderRequired
from portal.web import signed_in, stepping
from portal.web.forms import Form, email_field, page
from portal.web.gate import (
    anyone,
    current_actor,
    current_edges,
    current_now,
    current_session,
    current_viewer,
    open_to,
)
from portal.web.identity.blueprint import blueprint

log = structlog.get_logger("portal.web")

_MARK = "company"
NO_PROVIDER = "No company sign-in is set up for addresses of this domain. Sign in with your password."


class CompanyForm(Form):
    email = email_field(autocomplete="username")


class ConfirmForm(FlaskForm):  # type: ignore[misc]
    """Nothing but the token: the page says what is confirmed."""


def site() -> flows.Site:
    """What a flow needs of this deployment."""
    kept = current_edges().settings
    return flows.Site(
        kept.secret_key, f"{kept.base_url}/sign-in/company/{{provider}}/callback", current_edges().outbound
    )


@blueprint.route("/sign-in/company", methods=["GET", "POST"])
def company() -> ResponseReturnValue:
    form = CompanyForm()
    if form.validate_on_submit():
        _count()
        provider_id = domains.route(current_session(), form.email.data)
        if provider_id is not None:
            idp = settings.open_provider(current_session(), provider_id)
            wanted = request.args.get("next", "")
            hints = {"login_hint": form.email.data, **settings.asked_level(idp)}
            return away(idp, flows.Errand("sign_in", wanted=wanted, hints=hints))
        form.email.errors = [NO_PROVIDER]
    return page("identity/company.html", form)


@blueprint.get("/sign-in/company/<uuid:provider_id>")
def company_start(provider_id: UUID) -> ResponseReturnValue:
    """Where a provider's own list of applications leads: OpenID Connect Core 1.0, 4."""
    _count()
    idp = settings.open_provider(current_session(), provider_id)
    if request.args.get("iss", idp.issuer) != idp.issuer:
        raise NotAllowed("Another provider sent you here than the one this address belongs to.")
    hint = request.args.get("login_hint", "")[:254]
    wanted = _path_of(request.args.get("target_link_uri", ""))
    hints = {**({"login_hint": hint} if hint else {}), **settings.asked_level(idp)}
    errand = flows.Errand("sign_in", wanted=wanted, hints=hints)
    return redirect(begin(idp, errand), code=303)


@blueprint.get("/sign-in/company/<uuid:provider_id>/callback")
def company_callback(provider_id: UUID) -> ResponseReturnValue:
    _count()
    work, now = current_session(), current_now()
    flow = flows.take(work, provider_id, request.args.get("state", ""), browser=_mark(), now=now)
    idp = work.get_one(IdentityProvider, provider_id)
    if not idp.is_enabled and flow.purpose != "test":
        raise NotFound
    answer = signing_in.Answer(
        code=request.args.get("code", ""), issuer=request.args.get("iss", ""), error=request.args.get("error", "")
    )
    if flow.purpose == flows.STEP_UP:
        return _confirm(idp, flow, answer)
    try:
        arrival = signing_in.arrive(work, site(), idp, flow, answer=answer, now=now)
    except (tokens.TokenRefused, ProviderTrouble) as error:
        _keep_trouble(idp, error)
        raise
    return _go_on(idp, flow, arrival)


@blueprint.route("/sign-in/company/<uuid:provider_id>/confirmation/<uuid:flow_id>", methods=["GET", "POST"])
def company_confirmation(provider_id: UUID, flow_id: UUID) -> ResponseReturnValue:
    work, now = current_session(), current_now()
    idp = settings.open_provider(work, provider_id)
    flow = flows.waiting(work, flow_id, browser=_mark(), now=now)
    form = ConfirmForm()
    if not form.validate_on_submit():
        return render_template("identity/company_confirmation.html", form=form, **_whose(idp, flow))
    if flow.purpose == "invitation":
        membership = linking.confirm_invitation(work, idp, flow, now=now)
        person_id = membership.person_id
    else:
        person_id = linking.confirm_link(work, idp, flow, now=now).person_id
        viewer = g.get("viewer")
        if viewer is not None and viewer.actor.person_id == person_id:
            flash("Your company account is connected. From now on you can sign in through your company.", "good")
            return redirect(url_for("identity.security"), code=303)
    token = linking.open_after(work, idp, flow, person_id, browser=signed_in.browser(), now=now)
    signed_in.begin(token)
    return redirect(url_for("today.today"), code=303)


@blueprint.post("/sign-in/company/<uuid:provider_id>/logout")
def company_logout(provider_id: UUID) -> ResponseReturnValue:
    """Back-channel logout: a signed token, and no page of ours."""
    try:
        idp = settings.open_provider(current_session(), provider_id)
        logout.by_token(current_session(), site(), idp, request.form.get("logout_token", ""), current_now())
    except PortalError as error:
        current_session().rollback()
        answer = jsonify(error="invalid_request", error_description=error.sentence)
        answer.status_code = 503 if isinstance(error, ProviderTrouble) else 400
    else:
        answer = Response(status=200)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/sign-in/company/<uuid:provider_id>/logout")
def company_front_logout(provider_id: UUID) -> ResponseReturnValue:
    """Front-channel logout: the provider has the browser load this with the name of the session."""
    idp = settings.open_provider(current_session(), provider_id)
    logout.by_browser(
        current_session(),
        idp,
        issuer=request.args.get("iss", ""),
        sid=request.args.get("sid", ""),
        now=current_now(),
    )
    return Response(status=204, headers={"Cache-Control": "no-store"})


@blueprint.post("/security/company-account")
@open_to(anyone)
def connect_company() -> ResponseReturnValue:
    idp = settings.own_provider(current_session(), current_actor())
    if idp is None or not idp.is_enabled:
        raise NotAllowed("Your organisation has no sign-in of its own here.")
    errand = flows.Errand("link", person_id=current_actor().person_id, hints={"login_hint": current_viewer().email})
    return away(idp, errand)


@blueprint.post("/security/proof/company")
@open_to(anyone)
def prove_at_company() -> ResponseReturnValue:
    """Somebody with neither password nor factor signs in at the provider once more; what was typed waits meanwhile."""
    viewer, idp = current_viewer(), settings.own_provider(current_session(), current_actor())
    path = _path_of(request.args.get("path", ""))
    if not path:
        raise NotFound
    if idp is None or not stepping.confirms_at_company(viewer):
        raise NotAllowed("Your company's sign-in does not confirm this. Sign in again instead.")
    errand = flows.Errand(
        flows.STEP_UP,
        person_id=viewer.actor.person_id,
        wanted=path,
        hints={"login_hint": viewer.email, **flows.ANEW, **settings.asked_level(idp)},
        kept=stepping.kept_fields(),
    )
    return away(idp, errand)


@blueprint.app_errorhandler(ProviderRequired)
def through_the_provider(error: ProviderRequired) -> ResponseReturnValue:
    """Somebody proved who they are in another way than the organisation allows: the way to its provider continues."""
    work = current_session()
    work.rollback()
    set_scope(work, Scope(error.organisation_id, error.person_id))
    idp = settings.provider_of(work, error.organisation_id)
    if idp is None:
        raise NotAllowed(error.sentence)
    answer = away(idp, flows.Errand("link", person_id=error.person_id))
    work.commit()
    return answer


def through_invitation(link: OpenLink) -> ResponseReturnValue:
    """Accept an invitation with the company's account instead of a password."""
    idp = provider_of(link)
    if idp is None:
        raise NotAllowed("This organisation has no sign-in of its own here.")
    return away(idp, flows.Errand("invitation", link_id=link.id, hints={"login_hint": link.email}))


def provider_of(link: OpenLink) -> IdentityProvider | None:
    """The provider that whoever holds a mailed link may go to."""
    idp = settings.provider_of(current_session(), link.actor.organisation_id)
    return idp if idp is not None and idp.is_enabled else None


def may_connect() -> bool:
    """Whether whoever is signed in could connect a company account and has not."""
    work, actor = current_session(), current_actor()
    idp = settings.own_provider(work, actor)
    return idp is not None and idp.is_enabled and linking.own_connection(work, actor) is None


def away(idp: IdentityProvider, errand: flows.Errand) -> ResponseReturnValue:
    """The page that leads to the provider by itself."""
    try:
        address = begin(idp, errand)
    except ProviderTrouble as error:
        _keep_trouble(idp, error)
        raise
    return render_template("identity/company_away.html", address=address)


def provider_sign_out() -> str:
    """The provider's own sign-out for the session of this request; empty for a session by password."""
    work, viewer = current_session(), current_viewer()
    kept = logout.opened_through(work, UUID(viewer.session_id))
    idp = settings.own_provider(work, viewer.actor) if kept is not None else None
    if kept is None or idp is None:
        return ""
    back_to = current_edges().settings.base_url + url_for("identity.sign_in")
    return logout.provider_sign_out(site(), idp, kept, back_to=back_to)


def begin(idp: IdentityProvider, errand: flows.Errand) -> str:
    """The address at the provider to send this browser to."""
    return flows.begin(current_session(), site(), idp, errand, browser=_mark(), now=current_now())


def _go_on(idp: IdentityProvider, flow: ProviderFlow, arrival: signing_in.Arrival) -> ResponseReturnValue:
    work, now = current_session(), current_now()
    if flow.purpose == "test":
        signing_in.keep_report(work, idp, flow, arrival, now)
        return redirect(url_for("identity.company_test_report", flow_id=flow.id), code=303)
    outcome = signing_in.outcome_of(work, idp, flow, arrival)
    if outcome is outcomes.Outcome.SIGN_IN:
        viewer = g.get("viewer")
        if flow.purpose == "link" and viewer is not None and viewer.actor.person_id == flow.person_id:
            flash("This company account is connected already.", "good")
            return redirect(url_for("identity.security"), code=303)
        token = signing_in.sign_in(work, idp, arrival, browser=signed_in.browser(), now=now)
        signed_in.begin(token)
        return redirect(_path_of(flow.wanted) or url_for("today.today"), code=303)
    if outcome is outcomes.Outcome.CONFIRM:
        signing_in.keep_answer(idp, flow, arrival, now)
        return redirect(url_for("identity.company_confirmation", provider_id=idp.id, flow_id=flow.id), code=303)
    log.info("provider sign-in refused", outcome=outcome.value)
    if outcome is outcomes.Outcome.NOT_LINKED:
        return render_template("identity/company_unknown.html"), 403
    raise NotAllowed(outcomes.REFUSALS[outcome])


def _confirm(idp: IdentityProvider, flow: ProviderFlow, answer: signing_in.Answer) -> ResponseReturnValue:
    """Back from confirming at the provider: the act goes on with what was typed, or is asked again with it."""
    work, flow_id, viewer = current_session(), flow.id, g.get("viewer")
    is_theirs = viewer is not None and viewer.looking_on is None and viewer.actor.person_id == flow.person_id
    if not is_theirs or viewer.actor.organisation_id != idp.organisation_id:
        raise NotAllowed("You were signed out meanwhile. Sign in, and begin again.")
    try:
        arrival = signing_in.arrive(work, site(), idp, flow, answer=answer, now=current_now())
        if signing_in.outcome_of(work, idp, flow, arrival) is not outcomes.Outcome.SIGN_IN:
            raise NotAllowed("You signed in there with another account than your own here. Take your own.")
    except (NotAllowed, ProviderTrouble) as error:
        if isinstance(error, tokens.TokenRefused | ProviderTrouble):
            _keep_trouble(idp, error)
        work.rollback()
        flow = work.get_one(ProviderFlow, flow_id)
        flow.used_at = flow.used_at or current_now()
        return stepping.company_page(flow.wanted, flows.take_kept(site(), flow), refusal=error.sentence)
    proven = Proven(signing_in.proof_of(idp, arrival), current_now())
    signed_in.go_on(proving.note_new_proof(work, viewer, proven))
    flow.finished_at = current_now()
    kept = flows.take_kept(site(), flow)
    return render_template("identity/confirmed.html", form=Form(formdata=None), path=flow.wanted, kept=kept)


def _whose(idp: IdentityProvider, flow: ProviderFlow) -> dict[str, object]:
    """What the person is asked to confirm."""
    answered = flow.answered or {}
    return {
        "account": answered,
        "issuer": idp.issuer,
        "is_invitation": flow.purpose == "invitation",
        "own_address": linking.address_of(current_session(), idp, flow),
    }


def _keep_trouble(idp: IdentityProvider, error: PortalError) -> None:
    """Keep what went wrong where the organisation's administrator reads it; the request itself is undone."""
    work = current_session()
    work.rollback()
    log.warning("provider trouble", kind=type(error).__name__)
    settings.note_trouble(work, idp.id, error.sentence, current_now())
    work.commit()


def _count() -> None:
    throttling.count_try(
        current_session(), "company_sign_in", (request.remote_addr or "",), rules.COMPANY_PER_HOST, current_now()
    )


def _mark() -> str:
    """This browser's mark; made when first asked for."""
    if _MARK not in session:
        session[_MARK] = secrets.token_urlsafe(24)
    mark: str = session[_MARK]
    return mark


def _path_of(address: str) -> str:
    """The path of an address of this site; empty for any other."""
    base = current_edges().settings.base_url
    path = address.removeprefix(base) if address.startswith(base + "/") else address
    is_own = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_own else ""
