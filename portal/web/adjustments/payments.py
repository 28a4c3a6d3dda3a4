"""A payment at checkout: what was bought with it, what went back, and asking for a refund of it."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from wtforms import SelectField

from portal.access import Role, Side
from portal.adjustments import queries
from portal.adjustments.actions import asking as actions
from portal.adjustments.actions.asking import LONGEST_REASON, Preview, Wanted
from portal.adjustments.ahead import PaidFor, paid_for, unused_minor
from portal.adjustments.rules.asking import KINDS, REFUND
from portal.directory.queries import organisation_names
from portal.errors import NotFound
from portal.ledger.queries import transactions_of
from portal.payments.models import CashReceipt, Chargeback
from portal.selling.models import Purchase
from portal.web.adjustments.asking import amount_of, key_of, names_of_preview
from portal.web.adjustments.blueprint import BEARERS, blueprint, may_adjust, may_decide_any, may_read
from portal.web.forms import Form, line_field, once_field, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.stepping import confirmed


class RefundForm(Form):
    amount = line_field("How much", required="Say how much.", limit=30, render_kw={"inputmode": "decimal"})
    bearer = SelectField("Who bears what was used", choices=list(BEARERS.items()))
    reason = text_field("Why", required="Say why: the payer reads it.", limit=LONGEST_REASON)
    beyond = text_field("Why more than the unused rest", limit=LONGEST_REASON)
    form_key = once_field()


@blueprint.get("/payments/<int:receipt_id>")
@open_to(may_read)
def payment(receipt_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    receipt, bought = _seen(receipt_id)
    is_maker = actor.organisation_id == receipt.manufacturer_id
    asked = queries.adjustments(session, actor, receipt_id=receipt.id)
    taken = session.scalars(select(Chargeback).where(Chargeback.receipt_id == receipt.id)).all() if is_maker else []
    return render_template(
        "adjustments/payment.html",
        receipt=receipt,
        bought=bought,
        about=queries.subject_of(session, None, receipt.id),
        purchase=session.scalars(select(Purchase).where(Purchase.intent_id == receipt.intent_id)).one_or_none(),
        payer=organisation_names(session, [receipt.payer_id]).get(receipt.payer_id, ""),
        unused_minor=unused_minor(session, receipt) if is_maker else None,
        left_minor=queries.refundable_minor(session, receipt) if is_maker else None,
        asked=asked,
        chargebacks=taken,
        kinds=KINDS,
        traces=transactions_of(session, actor, "cash_receipt", [str(receipt.id)]) if is_maker else {},
        may_refund=is_maker and may_decide_any(actor),
    )


@blueprint.route("/payments/<int:receipt_id>/refund", methods=["GET", "POST"])
@open_to(may_decide_any)
def refund(receipt_id: int) -> ResponseReturnValue:
    """The form, and what it would take from whom; nothing is stored yet."""
    receipt, bought = _seen(receipt_id)
    form = RefundForm()
    shown: Preview | None = None
    if form.validate_on_submit():
        with refusals_of(form):
            wanted = _wanted(form, receipt)
            shown = actions.preview(current_session(), current_actor(), None, wanted, now=current_now())
    return _page(form, receipt, bought, shown)


@blueprint.post("/payments/<int:receipt_id>/refunds")
@open_to(may_decide_any)
@confirmed("refund this payment")
def ask_refund(receipt_id: int) -> ResponseReturnValue:
    """Ask for what was shown."""
    receipt, bought = _seen(receipt_id)
    form = RefundForm()
    if form.validate_on_submit():
        with refusals_of(form):
            wanted = _wanted(form, receipt)
            made = actions.ask(current_session(), current_actor(), None, wanted, now=current_now())
            waits = made.needs_second or made.consent_of is not None
            flash("It waits for the others' yes." if waits else "It is being carried out.", "good")
            return redirect(url_for("adjustments.adjustment", adjustment_id=made.id), code=303)
    return _page(form, receipt, bought, None)


def _page(form: RefundForm, receipt: CashReceipt, bought: PaidFor, shown: Preview | None) -> ResponseReturnValue:
    session = current_session()
    return page(
        "adjustments/refund.html",
        form,
        receipt=receipt,
        bought=bought,
        about=queries.subject_of(session, None, receipt.id),
        unused_minor=unused_minor(session, receipt),
        left_minor=queries.refundable_minor(session, receipt),
        shown=shown,
        names=names_of_preview(shown),
    )


def _seen(receipt_id: int) -> tuple[CashReceipt, PaidFor]:
    """A payment ahead of the actor's manufacturer, or that its own company made. *Raises*: NotFound."""
    session, actor = current_session(), current_actor()
    found = session.get(CashReceipt, receipt_id)
    if found is None or found.intent_id is None:
        raise NotFound
    if actor.organisation_id not in (found.manufacturer_id, found.payer_id):
        raise NotFound
    if actor.side is Side.MANUFACTURER and not (may_adjust(actor) or actor.has(Role.ADMINISTRATOR)):
        raise NotFound
    return found, paid_for(session, found)


def _wanted(form: RefundForm, receipt: CashReceipt) -> Wanted:
    return Wanted(
        kind=REFUND,
        amount_minor=amount_of(form.amount.data, receipt.currency).minor,
        reason=form.reason.data or "",
        bearer=form.bearer.data or "",
        receipt_id=receipt.id,
        beyond=form.beyond.data or "",
        form_key=key_of(form.form_key.data),
    )
