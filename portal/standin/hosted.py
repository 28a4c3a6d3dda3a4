"""The pages that Stripe hosts: onboarding of a connected account, paying an invoice; checkout is ``hosted_buying``.

Plain HTML that says that no money moves; each button posts and redirects. An address is its own permission, as at
Stripe. An onboarding link works once and for minutes: opening it trades it for a session, after that it leads to the
refresh address.
"""

from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from portal.standin import accounts, hosted_buying, invoice_items, invoice_paying, invoices, objects, passing, payments
from portal.standin.api import Desk
from portal.standin.endpoints import Call
from portal.standin.exchange import THREE_DECIMAL
from portal.standin.objects import Body
from portal.standin.refusals import Refusal

ZERO_DECIMAL = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof"}
)
CONTENT_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
LONGEST_NAME = 200
Answer = str | BaseResponse | tuple[str, int]


def blueprint(desk: Desk) -> Blueprint:
    pages = Blueprint(
        "hosted",
        __name__,
        url_prefix="/hosted",
        template_folder="templates",
        static_folder="static",
        static_url_path="/static",
    )
    _onboarding(pages, desk)
    _invoice(pages, desk)
    hosted_buying.add_pages(pages, desk)
    pages.add_app_template_filter(money, "money")
    pages.add_app_template_filter(lambda moment: objects.iso(moment)[:10], "day")
    pages.before_request(lambda: passing.catch_up(desk.state, desk.public_url))
    pages.after_request(_guard)
    pages.register_error_handler(Refusal, _refusal)
    pages.register_error_handler(404, lambda _error: (render_template("standin/gone.html", reason=""), 404))
    return pages


def money(amount_minor: int, currency: str) -> str:
    digits = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    return f"{Decimal(amount_minor).scaleb(-digits):,.{digits}f} {currency.upper()}"


def _guard(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = CONTENT_POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _refusal(refusal: Refusal) -> tuple[str, int]:
    return render_template("standin/gone.html", reason=refusal.message), refusal.status


def _call(desk: Desk) -> Call:
    return Call(desk.state, desk.public_url)


def _the_only(found: list[Body]) -> Body:
    if not found:
        abort(404)
    return found[0]


def _onboarding(pages: Blueprint, desk: Desk) -> None:
    state = desk.state

    @pages.get("/onboarding/<token>")
    def open_link(token: str) -> Answer:
        if request.method == "HEAD":
            return ""
        with state.transaction():
            link = objects.find(state, "v2.core.account_link", token)
            if link is None:
                abort(404)
            if link["_used"] or link["_expires"] <= state.now():
                return redirect(link["_refresh_url"], 303)
            link.update(_used=True, _token=objects.new_id("onboarding", 32))
            objects.save(state, link)
        return redirect(url_for("hosted.onboarding", session=link["_token"]), 303)

    @pages.get("/onboarding/session/<session>")
    def onboarding(session: str) -> Answer:
        return _onboarding_page(desk, session)

    @pages.post("/onboarding/session/<session>")
    def finish_onboarding(session: str) -> Answer:
        link = _the_only(objects.every(state, "v2.core.account_link", _token=session))
        choice = request.form.get("choice", "")
        name = request.form.get("business_name", "").strip()
        number = request.form.get("account_number", "").strip()
        errors = _onboarding_errors(name, number) if choice in ("active", "pending") else {}
        if errors:
            return _onboarding_page(desk, session, {"business_name": name, "account_number": number}, errors), 422
        with state.transaction():
            if choice == "active":
                accounts.set_capability(_call(desk), link["account"], "active")
            elif choice == "pending":
                _submit_for_review(desk, link["account"])
        return redirect(link["_return_url"], 303)


def _onboarding_page(
    desk: Desk, session: str, typed: dict[str, str] | None = None, errors: dict[str, str] | None = None
) -> str:
    link = _the_only(objects.every(desk.state, "v2.core.account_link", _token=session))
    account = accounts.fetch_account(desk.state, link["account"])
    known = {"business_name": account["display_name"] or "", "account_number": "000123456789"}
    return render_template("standin/onboarding.html", account=account, typed=typed or known, errors=errors or {})


def _onboarding_errors(name: str, number: str) -> dict[str, str]:
    errors = {}
    if not name or len(name) > LONGEST_NAME:
        errors["business_name"] = f"Give the legal name of the business, at most {LONGEST_NAME} characters."
    if not number.isdigit() or not 4 <= len(number) <= 17:
        errors["account_number"] = "An account number has 4 to 17 digits. Use an invented one."
    return errors


def _submit_for_review(desk: Desk, account_id: str) -> None:
    account = accounts.fetch_account(desk.state, account_id)
    account["_onboarded"] = True
    objects.save(desk.state, account)
    accounts.set_capability(_call(desk), account_id, "pending")


def _invoice(pages: Blueprint, desk: Desk) -> None:
    state = desk.state

    @pages.get("/invoice/<token>")
    def invoice(token: str) -> Answer:
        body = invoices.full(state, _the_only(objects.every(state, invoices.KIND, _token=token)))
        if body["status"] == "draft":
            abort(404)
        lines = [invoice_items.line_of(item) for item in invoice_items.items_of(state, body["id"])]
        return render_template("standin/invoice.html", invoice=body, lines=lines, payment=_last_payment(desk, body))

    @pages.post("/invoice/<token>")
    def pay_invoice(token: str) -> Answer:
        body = _the_only(objects.every(state, invoices.KIND, _token=token))
        way = request.form.get("way", "")
        # A debit whose end nobody plays takes its days, and arrives.
        way = "bank_debit" if way == "bank_processing" else way
        method, outcome, ends = payments.WAYS.get(way, payments.WAYS["card"])
        if body["status"] == "open":
            with state.transaction():
                invoice_paying.pay_at_page(_call(desk), body["id"], method=method, outcome=outcome, ends=ends)
        return redirect(url_for("hosted.invoice", token=token), 303)


def _last_payment(desk: Desk, invoice: Body) -> dict[str, Any]:
    """What became of the payment so far: its intent's status and last error."""
    shown = invoice["payments"]["data"]
    if not shown:
        return {"status": "", "error": ""}
    intent = objects.fetch(desk.state, "payment_intent", shown[-1]["payment"]["payment_intent"])
    error = intent["last_payment_error"] or {}
    return {"status": intent["status"], "error": error.get("message", "")}
