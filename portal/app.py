"""The one wiring place: settings and edges in, the web application or the worker's edges out.

The edges are arguments: the clock, how a database session is opened, Stripe, mail, files. Tests hand in their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from flask_bootstrap import Bootstrap5
from sqlalchemy.orm import Session, configure_mappers
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.config import STATIC, TEMPLATES, Settings, as_role
from portal.db import ENGINE_OPTIONS, connection_url, db, engine_for
from portal.db import open_session as open_plain_session
from portal.files import store_at
from portal.notifications.actions import Mailer
from portal.notifications.mail import FileMailer, SmtpMailer
from portal.outbound import Outbound
from portal.payments.gateway import Gateway, connect
from portal.web import (
    adjustments,
    billing,
    cases,
    contracts,
    deferred,
    directory,
    display,
    errors,
    gate,
    headers,
    health,
    identity,
    ledger,
    links,
    mailbox,
    payouts,
    people,
    plans,
    rendering,
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
    deferred.blueprint,
    adjustments.blueprint,
    billing.blueprint,
    settlement.blueprint,
)

# A field says how much it takes; these limits only keep a request from filling the memory.
LARGEST_REQUEST_BYTES = 64 * 1024 * 1024
LARGEST_FORM_TEXT_BYTES = 16 * 1024 * 1024
# Our static files carry the hash of their content in the address.
STATIC_AGE = timedelta(days=30)


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
    app.jinja_environment = rendering.Templates  # type: ignore[assignment]
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
    rendering.register(app, settings)
    return app


def warm(app: Flask) -> None:
    """Make once what every web worker would make for itself, before they are forked from this process."""
    configure_mappers()
    rendering.load_all(app)
    _answer_first(app)


def _answer_first(app: Flask) -> None:
    """Answer what every process is asked first: routes in their order, the dialect, forms are then made and shared.

    Nobody sent these requests, so nothing is logged of them; no connection goes on to who is forked.
    """
    stranger = app.test_client()
    logging.disable()
    try:
        for path in ("/sign-in", "/readyz"):
            stranger.get(path, base_url=app.extensions["portal"].settings.base_url)
    finally:
        logging.disable(logging.NOTSET)
    with app.app_context():
        db.engine.dispose()


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
