"""The Flask application of the stand-in and the process around it."""

import signal
import sys
from types import FrameType
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import InternalServerError
from werkzeug.serving import WSGIRequestHandler, make_server

from portal.standin import (
    accounts,
    api,
    balance,
    catalogue,
    checkout,
    control,
    credit_notes,
    customers,
    disputes,
    events,
    fraud,
    hosted,
    invoice_items,
    invoice_lines,
    invoices,
    payments,
    portal_sessions,
    previews,
    promotions,
    refunds,
    subscriptions,
    transfers,
    uploads,
)
from portal.standin.api import Desk
from portal.standin.deliveries import Courier
from portal.standin.faults import Faults
from portal.standin.idempotency import KeysInUse
from portal.standin.settings import Settings
from portal.standin.state import State

ENDPOINTS = (
    *accounts.ENDPOINTS,
    *balance.ENDPOINTS,
    *catalogue.ENDPOINTS,
    *checkout.ENDPOINTS,
    *credit_notes.ENDPOINTS,
    *customers.ENDPOINTS,
    *disputes.ENDPOINTS,
    *events.ENDPOINTS,
    *fraud.ENDPOINTS,
    *invoice_items.ENDPOINTS,
    # Before invoices, one of whose addresses would match its preview.
    *subscriptions.ENDPOINTS,
    *previews.ENDPOINTS,
    *invoices.ENDPOINTS,
    *invoice_lines.ENDPOINTS,
    *payments.ENDPOINTS,
    *portal_sessions.ENDPOINTS,
    *promotions.ENDPOINTS,
    *refunds.ENDPOINTS,
    *transfers.ENDPOINTS,
    *uploads.ENDPOINTS,
)


class QuietHandler(WSGIRequestHandler):
    """No line per request: the call log of the control API says more."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


def make_desk(settings: Settings, state: State) -> Desk:
    """The endpoints given at start overrule what the state remembers; without them it keeps what it has."""
    for name, url, secrets in (
        (events.SNAPSHOT, settings.webhook_url, settings.webhook_secrets),
        (events.THIN, settings.thin_webhook_url, settings.thin_webhook_secrets),
    ):
        if url or not state.setting(f"endpoint_{name}", {}):
            state.set_setting(f"endpoint_{name}", {"url": url, "secrets": list(secrets)})
    return Desk(settings, state, Faults(), KeysInUse(), ENDPOINTS, settings.public_url)


def create_app(desk: Desk, courier: Courier) -> Flask:
    app = Flask(__name__, static_folder=None, template_folder=None)

    def answer(rest: str) -> Response:
        return api.answer(desk, request)

    methods = ["GET", "POST", "DELETE", "PUT", "PATCH"]
    app.add_url_rule("/v1/<path:rest>", "v1", answer, methods=methods, provide_automatic_options=False)
    app.add_url_rule("/v2/<path:rest>", "v2", answer, methods=methods, provide_automatic_options=False)
    app.register_error_handler(InternalServerError, _failed)
    app.register_blueprint(hosted.blueprint(desk))
    app.register_blueprint(control.blueprint(desk, courier))
    return app


def _failed(error: InternalServerError) -> tuple[dict[str, Any], int]:
    """A defect of the stand-in, in Stripe's shape; the traceback is on standard error. Nothing was committed."""
    return {"error": {"type": "api_error", "message": f"The stand-in failed: {error.original_exception!r}"}}, 500


def serve(settings: Settings) -> None:
    """Runs until SIGTERM or Ctrl-C. The first line printed names the address, with the port that was bound."""
    state = State(settings.state_path)
    desk = make_desk(settings, state)
    courier = Courier(state)
    server = make_server(
        settings.host, settings.port, create_app(desk, courier), threaded=True, request_handler=QuietHandler
    )
    desk.public_url = settings.public_url or f"http://{settings.host}:{server.server_port}"
    signal.signal(signal.SIGTERM, _leave)
    courier.start()
    sys.stdout.write(f"Stand-in for Stripe on {desk.public_url} (no money moves)\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        courier.stop()
        server.server_close()


def _leave(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
