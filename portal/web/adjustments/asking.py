"""Asking for a refund, a credit or a gift: what it takes from whom is shown first; answering one; the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID, uuid4

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField, SelectField
from wtforms.validators import InputRequired

from portal.adjustments import queries
from portal.adjustments.actions import asking as actions
from portal.adjustments.actions.asking import Preview, Wanted, may_consent
from portal.adjustments.rules.asking import BEARERS as BEARER_WORDS
from portal.adjustments.rules.asking import KINDS
from portal.adjustments.taxed import charged_lines
from portal.billing import reading
from portal.billing.reading import InvoiceRow
from portal.directory.models import Organisation
from portal.directory.queries import organisation_names
from portal.errors import Invalid, RuleBroken
from portal.money import Money, parse_amount
from portal.payments.cash import BORNE
from portal.payments.queries import receipts_of
from portal.web.adjustments.blueprint import (
    BEARERS,
    blueprint,
    may_adjust,
    may_decide_any,
)
from portal.web.billing.blueprint import may_set_limits
from portal.web.forms import Form, line_field, once_field, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.stepping import confirmed

NOTHING = ""


class AskForm(Form):
    kind = SelectField("What", validators=[InputRequired("Choose what it is.")])
    amount = line_field("How much", required="Say how much.", limit=30, render_kw={"inputmode": "decimal"})
    line = SelectField("Of what")
    receipt = SelectField("Payment that goes back")
    bearer = SelectField("Who bears it", choices=list(BEARERS.items()))
    reason = text_field("Why", required="Say why: the payer reads it.", limit=actions.LONGEST_REASON)
    reference = line_field("The bank's reference", limit=actions.LONGEST_REFERENCE)
    form_key = once_field()


class AnswerForm(Form):
    outcome = RadioField(
        "Your answer", choices=[("yes", "Yes"), ("no", "No")], validators=[InputRequired("Say yes or no.")]
    )
    explanation = text_field("Why", limit=actions.LONGEST_EXPLANATION)


class LimitForm(Form):
    role = SelectField("Role", choices=[("finance", "Finance"), ("support_lead", "Support lead")])
    amount = line_field("Up to", required="Say up to how much.", limit=30, render_kw={"inputmode": "decimal"})


@blueprint.route("/invoices/<int:invoice_id>/adjustments/new", methods=["GET", "POST"])
@open_to(may_adjust)
def new(invoice_id: int) -> ResponseReturnValue:
    """The form, and what it would take from whom; nothing is stored yet."""
    row, form = _form(invoice_id)
    shown: Preview | None = None
    if form.validate_on_submit():
        with refusals_of(form):
            wanted = _wanted(form, row.invoice.currency)
            shown = actions.preview(current_session(), current_actor(), invoice_id, wanted, now=current_now())
    return page("adjustments/new.html", form, row=row, shown=shown, names=names_of_preview(shown))


@blueprint.post("/invoices/<int:invoice_id>/adjustments")
@open_to(may_adjust)
@confirmed("refund or credit this invoice")
def ask(invoice_id: int) -> ResponseReturnValue:
    """Ask for what was shown."""
    row, form = _form(invoice_id)
    if form.validate_on_submit():
        with refusals_of(form):
            wanted = _wanted(form, row.invoice.currency)
            made = actions.ask(current_session(), current_actor(), invoice_id, wanted, now=current_now())
            waits = made.needs_second or made.consent_of is not None
            flash("It waits for the others' yes." if waits else "It is being carried out.", "good")
            return redirect(url_for("adjustments.adjustment", adjustment_id=made.id), code=303)
    return page("adjustments/new.html", form, row=row, shown=None, names={})


@blueprint.route("/adjustments/<int:adjustment_id>/decision", methods=["GET", "POST"])
@open_to(may_decide_any)
@confirmed("decide on this")
def decision(adjustment_id: int) -> ResponseReturnValue:
    """The second person's yes or no."""
    return _answer_page(adjustment_id, actions.decide, "Approve or decline")


@blueprint.route("/adjustments/<int:adjustment_id>/consent", methods=["GET", "POST"])
@open_to(may_consent)
@confirmed("answer for your company")
def consent(adjustment_id: int) -> ResponseReturnValue:
    """The integrator's yes or no to a fall of its own share."""
    return _answer_page(adjustment_id, actions.answer, "Does your share fall?")


def _answer_page(adjustment_id: int, keep: Callable[..., object], title: str) -> ResponseReturnValue:
    """A yes or no with its reason; ``keep`` is the action that stores it."""
    session, actor = current_session(), current_actor()
    found = queries.adjustment_seen(session, actor, adjustment_id)
    form = AnswerForm()
    if form.validate_on_submit():
        said = {"outcome": form.outcome.data, "explanation": form.explanation.data or ""}
        with refusals_of(form):
            keep(session, actor, adjustment_id, **said, now=current_now())
            flash("Your answer is kept.", "good")
            return redirect(url_for("adjustments.adjustment", adjustment_id=adjustment_id), code=303)
    return page("adjustments/answer.html", form, found=found, kinds=KINDS, title=title)


@blueprint.route("/adjustment-limits", methods=["GET", "POST"])
@open_to(may_set_limits)
def limits() -> ResponseReturnValue:
    """Up to how much one person may adjust alone."""
    session, actor = current_session(), current_actor()
    currency = session.get_one(Organisation, actor.organisation_id).currency
    form = LimitForm()
    if form.validate_on_submit():
        with refusals_of(form):
            minor = amount_of(form.amount.data, currency).minor
            actions.set_limit(
                session, actor, role=form.role.data, currency=currency, amount_minor=minor, now=current_now()
            )
            flash("The limit holds from now on.", "good")
            return redirect(url_for("adjustments.limits"), code=303)
    rows = queries.limits(session, actor.organisation_id, currency)
    return page("adjustments/limits.html", form, rows=rows, currency=currency, roles=dict(LimitForm().role.choices))


def _form(invoice_id: int) -> tuple[InvoiceRow, AskForm]:
    """The invoice the actor may adjust, and the form with its choices."""
    session, actor = current_session(), current_actor()
    row, _ = reading.invoice(session, actor, invoice_id)
    form = AskForm()
    form.kind.choices = [(kind, f"{KINDS[kind].label}: {KINDS[kind].says}") for kind in actions.kinds_for(actor)]
    form.line.choices = [
        (NOTHING, "The whole invoice"),
        *((str(line.item.id), line.item.description) for line in charged_lines(session, invoice_id)),
    ]
    form.receipt.choices = [
        (NOTHING, "None: the invoice costs less"),
        *(
            (str(receipt.id), f"{receipt.received_at:%Y-%m-%d}, {Money(receipt.amount_minor, receipt.currency)}")
            for receipt in receipts_of(session, invoice_id)
            if receipt.source != BORNE
        ),
    ]
    return row, form


def _wanted(form: AskForm, currency: str) -> Wanted:
    return Wanted(
        kind=form.kind.data,
        amount_minor=amount_of(form.amount.data, currency).minor,
        reason=form.reason.data or "",
        bearer=form.bearer.data if form.bearer.data in BEARER_WORDS else "",
        invoice_item_id=int(form.line.data) if form.line.data else None,
        receipt_id=int(form.receipt.data) if form.receipt.data else None,
        reference=form.reference.data or "",
        form_key=key_of(form.form_key.data),
    )


def key_of(sent: str | None) -> UUID:
    """The key that a form was made with; one that lost it counts by itself."""
    try:
        return UUID(sent or "")
    except ValueError:
        return uuid4()


def amount_of(typed: str | None, currency: str) -> Money:
    """What was typed as an amount. *Raises*: Invalid at its field."""
    try:
        return parse_amount(typed or "", currency)
    except RuleBroken as error:
        raise Invalid(error.sentence, {"amount": error.sentence}) from error


def names_of_preview(shown: Preview | None) -> Mapping[int, str]:
    """The names of those who would lose something."""
    if shown is None:
        return {}
    parties = [party for party in (*shown.by_party, shown.consent_of) if party is not None]
    return organisation_names(current_session(), parties)
