"""Invoices: the payer's and the manufacturer's lists, Stripe's page to pay on, payments that came another way."""

from __future__ import annotations

from datetime import datetime, time

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField, SelectField
from wtforms.validators import InputRequired

from portal.access import Side
from portal.adjustments import queries as adjusted
from portal.adjustments.actions.asking import kinds_for
from portal.adjustments.rules.asking import KINDS
from portal.billing import reading
from portal.billing import taxed as tax_reading
from portal.billing.reading import InvoiceRow
from portal.calendars import resolve_local
from portal.errors import Invalid, ProviderTrouble
from portal.identity import queries as people
from portal.ledger import queries as ledger
from portal.money import Money, parse_amount
from portal.payments import cash, queries
from portal.payments.exchanges.reading import exchanges_of
from portal.payments.models import PaymentRecord
from portal.payments.taxing.locating import may_place
from portal.web import paging
from portal.web.billing.blueprint import blueprint, may_collect, may_read_invoices
from portal.web.forms import Form, line_field, page, refusals_of
from portal.web.gate import current_actor, current_edges, current_now, current_session, current_zone, open_to

METHODS = {
    "check": "Check",
    "ach": "Bank debit (ACH)",
    "wire": "Bank transfer",
    "card_elsewhere": "Card, elsewhere",
    "other": "Other",
}


class PaymentForm(Form):
    amount = line_field("Amount", required="Say how much came in.", limit=30, render_kw={"inputmode": "decimal"})
    method = SelectField("How it came", choices=list(METHODS.items()))
    reference = line_field("Reference", required="The bank's or the check's reference.", limit=100)
    received_at = DateField("Received on", validators=[InputRequired("Say when it came in.")])


@blueprint.get("/invoices")
@open_to(may_read_invoices)
def invoices() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    key = paging.key_from(request.args.get("after"), 1)
    before_id = key[0] if key and isinstance(key[0], int) else None
    payer_id = _payer(request.args.get("payer", ""))
    rows = reading.invoices(session, actor, payer_id=payer_id, before_id=before_id, most=paging.PAGE_SIZE + 1)
    return render_template(
        "billing/invoices.html",
        page=paging.page_of(rows, lambda row: (row.invoice.id,)),
        is_issuer=actor.side is Side.MANUFACTURER,
        state_of=_state_of,
        filters={"payer": payer_id} if payer_id is not None else {},
        payer=rows[0].payer_name if rows and payer_id is not None else "",
    )


@blueprint.get("/invoices/<int:invoice_id>")
@open_to(may_read_invoices)
def invoice(invoice_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    row, items = reading.invoice(session, actor, invoice_id)
    receipts = queries.receipts_of(session, invoice_id)
    waiting = [each for each in _waiting_payments() if each.invoice_id == invoice_id]
    return render_template(
        "billing/invoice.html",
        row=row,
        items=items,
        receipts=receipts,
        exchanged=[
            each for rows in exchanges_of(session, actor, [row.id for row in receipts]).values() for each in rows
        ],
        traces=ledger.transactions_of(session, actor, "cash_receipt", [str(each.id) for each in receipts]),
        waiting=waiting,
        state=_state_of(row),
        names=people.names(session, {each.recorded_by for each in waiting}),
        methods=METHODS,
        tax=tax_reading.tax_said(session, row.invoice, items=bool(items)),
        may_place=may_place(actor),
        adjustments=adjusted.adjustments(session, actor, invoice_id=invoice_id),
        kinds=KINDS,
        may_adjust=bool(kinds_for(actor)) and bool(items),
        may_record=may_collect(actor) and row.open_minor > 0,
        may_pay=actor.side is not Side.MANUFACTURER and row.open_minor > 0 and current_edges().gateway is not None,
    )


@blueprint.get("/invoices/<int:invoice_id>/payment-page")
@open_to(may_read_invoices)
def pay(invoice_id: int) -> ResponseReturnValue:
    """To Stripe's page of the invoice; its address is asked for each time."""
    row, _ = reading.invoice(current_session(), current_actor(), invoice_id)
    gateway = current_edges().gateway
    at_stripe = queries.invoice_at_provider(current_session(), row.invoice.intent_id)
    if gateway is None or at_stripe is None:
        raise ProviderTrouble("The invoice is still on its way to Stripe; try again in a few minutes.")
    # Nothing of ours is held open while Stripe is asked.
    current_session().commit()
    return redirect(gateway.for_page().retrieve_invoice(at_stripe).hosted_url, code=303)


@blueprint.route("/invoices/<int:invoice_id>/payments/new", methods=["GET", "POST"])
@open_to(may_collect)
def record_payment(invoice_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    row, _ = reading.invoice(session, actor, invoice_id)
    form = PaymentForm(received_at=now.astimezone(current_zone()).date())
    if form.validate_on_submit():
        with refusals_of(form):
            cash.record_payment(
                session,
                actor,
                invoice_id=invoice_id,
                amount_minor=_typed_amount(form, row.invoice.currency).minor,
                method=form.method.data,
                reference=form.reference.data,
                received_at=resolve_local(current_zone().key, datetime.combine(form.received_at.data, time())),
                now=now,
            )
            flash("The payment is noted. It counts when somebody else confirms it.", "good")
            return redirect(url_for("billing.invoice", invoice_id=invoice_id), code=303)
    return page("billing/payment_form.html", form, row=row)


@blueprint.post("/payments/<int:record_id>/confirmation")
@open_to(may_collect)
def confirm_payment(record_id: int) -> ResponseReturnValue:
    receipt = cash.confirm_payment(
        current_session(),
        current_actor(),
        record_id,
        livemode=current_edges().settings.livemode,
        now=current_now(),
    )
    flash("The payment is confirmed; it is being booked.", "good")
    return redirect(url_for("billing.invoice", invoice_id=receipt.invoice_id), code=303)


def _payer(text: str) -> int | None:
    """The payer named in the address, or None for none and for anything a person made up."""
    return int(text) if text.isascii() and text.isdigit() and int(text) <= paging.BIGGEST_ID else None


def _waiting_payments() -> list[PaymentRecord]:
    if not may_collect(current_actor()):
        return []
    return list(queries.payments_to_confirm(current_session(), current_actor()))


def _state_of(row: InvoiceRow) -> tuple[str, str]:
    """The words and tone of what is still owed."""
    if row.open_minor <= 0:
        return "Paid", "good"
    today = current_now().astimezone(current_zone()).date()
    if row.invoice.due_on < today:
        return "Overdue", "bad"
    return ("Partly paid", "warn") if row.paid_minor else ("Open", "accent")


def _typed_amount(form: PaymentForm, currency: str) -> Money:
    try:
        return parse_amount(form.amount.data, currency)
    except Invalid as error:
        raise Invalid(error.sentence, {"amount": error.sentence}) from error
