"""The one wiring place: settings and edges in, the web application or the worker's edges out.

The edges are arguments: the clock, how a database session is opened, Stripe, mail, files. Tests hand in their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from flask import Flask, g, request, url_for
from flask_bootstrap import Bootstrap5
from jinja2 import BytecodeCache, StrictUndefined
from jinja2.bccache import Bucket
from sqlalchemy.orm import Session, configure_mappers
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.config import STATIC, TEMPLATES, Settings, as_role
from portal.db import ENGINE_OPTIONS, connection_url, db, engine_for
from portal.db import open_session as open_plain_session
from portal.files import store_at
from portal.money import Money
from portal.notifications.actions import Mailer
from portal.notifications.mail import FileMailer, SmtpMailer
from portal.outbound import Outbound
from portal.payments.gateway import Gateway, connect
from portal.web import (
    adjustments,
    billing,
    cases,
    contracts,
    directory,
    display,
    errors,
    forms,
    gate,
    headers,
    health,
    identity,
    ledger,
    links,
    mailbox,
    nav,
    payouts,
    people,
    plans,
    reporting,
    scim,
    settlement,
    shop,
    signed_in,
    today,
    webhooks,
    work,
)
from portal.worker.registry import Edges as WorkerEdges

BLUEPRINTS = (
    health.blueprint,
    today.blueprint,
    identity.blueprint,
    people.blueprint,
    mailbox.blueprint,
    links.blueprint,
    work.blueprint,
    cases.blueprint,
    plans.blueprint,
    shop.blueprint,
    contracts.blueprint,
    directory.blueprint,
    webhooks.blueprint,
    scim.blueprint,
    payouts.blueprint,
    reporting.blueprint,
    ledger.blueprint,
    adjustments.blueprint,
    billing.blueprint,
    settlement.blueprint,
)

# A field says how much it takes; these limits only keep a request from filling the memory.
LARGEST_REQUEST_BYTES = 64 * 1024 * 1024
LARGEST_FORM_TEXT_BYTES = 16 * 1024 * 1024
# Our static files carry the hash of their content in the address.
STATIC_AGE = timedelta(days=30)


class CompiledTemplates(BytecodeCache):
    """Templates compiled once a release, kept in ``folder``, and once a process, however many applications it makes.

    Compiling all of them takes a second of a start. What is kept is named by the hash of the template and read like
    Python's own compiled files; a folder that cannot be written costs that second again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = _compiled.get((bucket.key, bucket.checksum))
        if bucket.code is None:
            with suppress(OSError), self._file(bucket).open("rb") as file:
                bucket.load_bytecode(file)
        if bucket.code is not None:
            _compiled[bucket.key, bucket.checksum] = bucket.code

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is None:
            return
        _compiled[bucket.key, bucket.checksum] = bucket.code
        target = self._file(bucket)
        being_written = target.with_suffix(f".{uuid4().hex}.part")
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with being_written.open("wb") as file:
                bucket.write_bytecode(file)
            being_written.replace(target)

    def _file(self, bucket: Bucket) -> Path:
        return self._folder / f"{bucket.key}.{bucket.checksum[:12]}.compiled"


_compiled: dict[tuple[str, str], CodeType] = {}


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    open_session: Callable[[], Session] | None = None,
    gateway: Gateway | None = None,
    outbound: Outbound | None = None,
) -> Flask:
    """The web application for ``settings``; tests replace Flask-SQLAlchemy's session and Stripe."""
    app = gate.PortalFlask("portal", static_folder=str(STATIC), template_folder=str(TEMPLATES))
    app.config.from_mapping(_flask_settings(settings))
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    db.init_app(app)
    Bootstrap5(app)
    https = settings.base_url.startswith("https://")
    headers.register(app, hosted_pages=headers.hosted_pages_of(settings.stripe_api_base), https=https)
    signed_in.register(app)
    # In development the provider runs next door; where real companies sign in, no call goes into our own network.
    reach = outbound or Outbound(allows_private=not settings.is_production)
    edges = gate.Edges(
        settings,
        clock,
        open_session or db.session,
        gateway or gateway_for(settings),
        reach,
        report_sessions(settings),
    )
    gate.register(app, edges, signed_in.viewer)
    errors.register(app)
    display.register(app, zone=gate.current_zone, now=gate.current_now)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    work.register(app)
    gate.check_every_view(app)
    _prepare_templates(app, settings)
    return app


def warm(app: Flask) -> None:
    """Make once what every web worker would make for itself, before they are forked from this process."""
    configure_mappers()
    for name in app.jinja_env.list_templates(extensions=["html"]):
        app.jinja_env.get_template(name)
    display.money_text(Money(0, "USD"))


def create_worker(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    gateway: Gateway | None = None,
    mailer: Any = None,
    files: Any = None,
) -> WorkerEdges:
    """What the worker's tasks are given for ``settings``."""
    engine = engine_for(settings.work_database_url or "")
    return WorkerEdges(
        settings,
        engine,
        clock,
        gateway or gateway_for(settings),
        mailer or mailer_for(settings),
        files or store_at(settings.files_url, settings.files_dir),
    )


def report_sessions(settings: Settings) -> Callable[[], Session] | None:
    """How reports open the replica: as the web role, so that row security holds there too, and to read only."""
    if settings.reporting_database_url is None:
        return None
    engine = engine_for(
        as_role(settings.reporting_database_url, "portal_web"), execution_options={"postgresql_readonly": True}
    )
    return lambda: open_plain_session(engine)


def gateway_for(settings: Settings) -> Gateway | None:
    """Stripe, where a key is set; without one invoices and transfers wait."""
    if settings.stripe_secret_key is None:
        return None
    return connect(settings.stripe_secret_key, settings.stripe_api_base, livemode=settings.livemode)


def mailer_for(settings: Settings) -> Mailer:
    """How mail leaves: by the named server, or kept as files where none is named."""
    if settings.smtp_url:
        return SmtpMailer(settings.smtp_url, settings.mail_from)
    return FileMailer(settings.mail_dir, settings.mail_from)


def _flask_settings(settings: Settings) -> dict[str, Any]:
    https = settings.base_url.startswith("https://")
    host = urlsplit(settings.base_url).hostname
    return {
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": connection_url(settings.web_database_url or settings.database_url or ""),
        "SQLALCHEMY_ENGINE_OPTIONS": dict(ENGINE_OPTIONS),
        "SESSION_COOKIE_NAME": "portal",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": https,
        "MAX_CONTENT_LENGTH": LARGEST_REQUEST_BYTES,
        "MAX_FORM_MEMORY_SIZE": LARGEST_FORM_TEXT_BYTES,
        "SEND_FILE_MAX_AGE_DEFAULT": STATIC_AGE,
        "TRUSTED_HOSTS": [host] if settings.is_production else None,
        # A form lives as long as the sign-in it was made under, not an hour.
        "WTF_CSRF_TIME_LIMIT": None,
        "BOOTSTRAP_SERVE_LOCAL": True,
    }


def _prepare_templates(app: Flask, settings: Settings) -> None:
    app.jinja_env.bytecode_cache = CompiledTemplates(settings.instance_dir / "templates")
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    known_views = frozenset(app.view_functions)
    # Where mail is sent there is no kept mail to read.
    in_menu = known_views - {"mailbox.mailbox"} if settings.smtp_url or settings.is_production else known_views
    app.jinja_env.globals.update(
        asset=_asset, livemode=settings.livemode, known_views=known_views, described=forms.described
    )

    @app.context_processor
    def for_every_page() -> dict[str, Any]:
        viewer = g.get("viewer")
        menu = nav.menu(viewer.actor, in_menu) if viewer else ()
        return {
            "viewer": viewer,
            "now": g.get("now"),
            "menu": menu,
            "menu_section": nav.section(request.endpoint, menu),
        }


def _asset(filename: str) -> str:
    return url_for("static", filename=filename, v=_fingerprint(STATIC / filename))


@cache
def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
