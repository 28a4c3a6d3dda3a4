"""Stripe's pages for buyers: checkout, and the customer portal with invoices, the way to pay, and subscriptions."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from portal.standin import checkout, checkout_paying, invoices, objects, payments, portal_sessions
from portal.standin.api import Desk
from portal.standin.endpoints import Call
from portal.standin.objects import Body
from portal.standin.refusals import Refusal
from portal.standin.subscription_states import KIND
from portal.standin.subscriptions import period_end

Answer = str | BaseResponse | tuple[str, int]


def add_pages(pages: Blueprint, desk: Desk) -> None:
    _checkout(pages, desk)
    _portal(pages, desk)


def _call(desk: Desk) -> Call:
    return Call(desk.state, desk.public_url)


def _way() -> str:
    way = request.form.get("way", "")
    return way if way in payments.WAYS else "card"


def _checkout(pages: Blueprint, desk: Desk) -> None:
    state = desk.state

    @pages.get("/checkout/<session_id>")
    def checkout_session(session_id: str) -> Answer:
        body = objects.find(state, checkout.KIND, session_id)
        if body is None:
            abort(404)
        return _checkout_page(desk, body)

    @pages.post("/checkout/<session_id>")
    def pay_session(session_id: str) -> Answer:
        body = objects.find(state, checkout.KIND, session_id)
        if body is None:
            abort(404)
        if body["status"] != "complete":
            with state.transaction():
                body = checkout_paying.pay_session(_call(desk), session_id, way=_way())
        if body["status"] == "open":
            return redirect(url_for("hosted.checkout_session", session_id=session_id), 303)
        return redirect(checkout.success_address(body), 303)

    @pages.post("/checkout/<session_id>/code")
    def type_code(session_id: str) -> Answer:
        body = objects.fetch(state, checkout.KIND, session_id)
        typed = request.form.get("code", "")
        try:
            with state.transaction():
                checkout.type_code(_call(desk), body, typed)
        except Refusal as refusal:
            return _checkout_page(desk, body, {"code": typed, "error": refusal.message}), 422
        return redirect(url_for("hosted.checkout_session", session_id=session_id), 303)


def _checkout_page(desk: Desk, body: Body, typed: dict[str, Any] | None = None) -> str:
    is_open = body["status"] == "open" and body["expires_at"] > desk.state.now()
    return render_template("standin/checkout.html", session=body, is_open=is_open, typed=typed or {})


def _portal(pages: Blueprint, desk: Desk) -> None:
    state = desk.state

    @pages.get("/portal/<token>")
    def portal(token: str) -> Answer:
        session = _session(desk, token)
        found = objects.every(state, KIND, customer=session["customer"])
        subscriptions = [
            {**body, "until": _day(period_end(body)), "line": body["items"]["data"][0]} for body in found[::-1]
        ]
        billed = objects.every(state, invoices.KIND, customer=session["customer"])[::-1]
        shown = [invoices.full(state, body) for body in billed if body["status"] != "draft"]
        way = found[-1]["_way"] if found else "card"
        return render_template(
            "standin/portal.html",
            session=session,
            subscriptions=subscriptions,
            invoices=shown,
            way=way,
            may_cancel=portal_sessions.may_cancel(_call(desk), session),
        )

    @pages.post("/portal/<token>/method")
    def change_method(token: str) -> Answer:
        session = _session(desk, token)
        with state.transaction():
            portal_sessions.change_method(_call(desk), session["customer"], _way())
        return redirect(url_for("hosted.portal", token=token), 303)

    @pages.post("/portal/<token>/subscriptions/<subscription_id>")
    def change_subscription(token: str, subscription_id: str) -> Answer:
        session = _session(desk, token)
        if not portal_sessions.may_cancel(_call(desk), session):
            abort(404)
        wanted = request.form.get("choice") == "cancel"
        with state.transaction():
            portal_sessions.cancel_at_end(_call(desk), session["customer"], subscription_id, wanted=wanted)
        return redirect(url_for("hosted.portal", token=token), 303)


def _session(desk: Desk, token: str) -> Body:
    found = objects.every(desk.state, portal_sessions.SESSION, _token=token)
    if not found or found[0]["created"] + portal_sessions.OPEN_SECONDS <= desk.state.now():
        abort(404)
    return found[0]


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
