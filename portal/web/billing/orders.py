"""Purchase orders: the payer's and the manufacturer's lists, entering one from the paper, what is left and who uses it.

An order that can give no more says what to do. The manufacturer enters one only with the payer's document.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField, IntegerField, SelectField
from wtforms.validators import InputRequired, Optional

from portal.access import Side
from portal.cases import actions as cases
from portal.cases.queries import cases_by_id
from portal.directory import queries as directory
from portal.directory.models import Organisation
from portal.entitlement.orders import queries
from portal.entitlement.orders.actions import NewOrder, OrderDocument, enter_order, may_enter_orders, withdraw_order
from portal.entitlement.orders.rules import LONGEST_NUMBER, OrderState
from portal.errors import Invalid, NotFound
from portal.money import parse_amount
from portal.web import uploads
from portal.web.billing.blueprint import blueprint
from portal.web.forms import EMAIL_LIMIT, Form, line_field, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to

ADDRESS_LIMIT = 500
USUAL_TERMS_DAYS = 30
STATES = {
    OrderState.OPEN: ("Open", "good"),
    OrderState.EXPIRED: ("Expired", "bad"),
    OrderState.EXHAUSTED: ("Exhausted", "warn"),
    OrderState.WITHDRAWN: ("Withdrawn", "plain"),
}


class OrderForm(Form):
    other = SelectField("For", coerce=int, validators=[InputRequired("Choose the other company.")])
    number = line_field("Number", required="Write the order's number.", limit=LONGEST_NUMBER)
    amount = line_field("Amount", required="Write the order's amount.", limit=30, render_kw={"inputmode": "decimal"})
    expires_on = DateField("Last day", validators=[Optional()])
    terms_days = IntegerField("Days to pay", default=USUAL_TERMS_DAYS, validators=[InputRequired("Write a number.")])
    payable_email = line_field("Accounts payable, email address", limit=EMAIL_LIMIT)
    payable_address = text_field("Accounts payable, postal address", limit=ADDRESS_LIMIT)
    document = uploads.files_field("The order as a file")
    kept = uploads.kept_field()


class WithdrawalForm(Form):
    reason = line_field("Why", required="Say why the order is withdrawn.")


@blueprint.get("/purchase-orders")
@open_to(may_enter_orders)
def orders() -> ResponseReturnValue:
    actor = current_actor()
    rows = queries.orders(current_session(), actor, now=current_now())
    return render_template(
        "billing/orders.html", rows=rows, states=STATES, is_payer=actor.side is not Side.MANUFACTURER
    )


@blueprint.route("/purchase-orders/new", methods=["GET", "POST"])
@open_to(may_enter_orders)
def new_order() -> ResponseReturnValue:
    others = _other_companies()
    form = OrderForm()
    form.other.choices = [(each.id, each.name) for each in others]
    if form.is_submitted():
        uploads.keep(form)
        if form.validate():
            with refusals_of(form):
                uploads.refuse_if_unkept(form)
                return _enter(form, others)
        uploads.say_refused(form)
    return page("billing/order_form.html", form, by_payer=current_actor().side is not Side.MANUFACTURER)


@blueprint.get("/purchase-orders/<int:order_id>")
@open_to(may_enter_orders)
def order(order_id: int) -> ResponseReturnValue:
    return _order_page(order_id, WithdrawalForm(None))


@blueprint.post("/purchase-orders/<int:order_id>/withdrawal")
@open_to(may_enter_orders)
def withdraw(order_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    row = queries.order(session, actor, order_id, now=current_now())
    form = WithdrawalForm()
    if form.validate():
        with refusals_of(form):
            withdraw_order(session, actor, row.order, reason=form.reason.data, now=current_now())
            flash("The order is withdrawn: no further case takes anything of it.", "good")
            return redirect(url_for("billing.order", order_id=order_id), code=303)
    return _order_page(order_id, form)


@blueprint.get("/purchase-orders/<int:order_id>/document")
@open_to(may_enter_orders)
def order_document(order_id: int) -> Response:
    found = queries.order(current_session(), current_actor(), order_id, now=current_now()).order
    if found.storage_key is None or found.file_name is None:
        raise NotFound
    return uploads.download(found.storage_key, found.file_name)


def _order_page(order_id: int, form: WithdrawalForm) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    row = queries.order(session, actor, order_id, now=current_now())
    uses = queries.uses_of(session, order_id)
    return page(
        "billing/order.html",
        form,
        row=row,
        state=STATES[row.state],
        uses=uses,
        cases=cases_by_id(session, actor, [each.case_id for each in uses]),
        may_withdraw=row.order.payer_id == actor.organisation_id and row.withdrawal is None,
    )


def _enter(form: OrderForm, others: Sequence[Organisation]) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    other = next(each for each in others if each.id == form.other.data)
    by_payer = actor.side is not Side.MANUFACTURER
    maker = other if by_payer else directory.organisation(session, actor.organisation_id)
    kept = cases.own_uploads(session, actor, uploads.kept_ids(form))
    entered = enter_order(
        session,
        actor,
        NewOrder(
            manufacturer_id=maker.id,
            payer_id=actor.organisation_id if by_payer else other.id,
            number=form.number.data,
            currency=maker.currency,
            amount_minor=_typed_minor(form, maker.currency),
            expires_on=form.expires_on.data,
            terms_days=form.terms_days.data,
            payable_email=form.payable_email.data or "",
            payable_address=form.payable_address.data or "",
            document=OrderDocument(kept[0].storage_key, kept[0].sha256, kept[0].file_name) if kept else None,
        ),
        now=now,
    )
    for each in kept[:1]:
        # The order keeps the bytes from here on.
        cases.drop_upload(session, actor, each.id)
    flash("The order is entered. Cases that wait for a yes take it from there.", "good")
    return redirect(url_for("billing.order", order_id=entered.id), code=303)


def _other_companies() -> Sequence[Organisation]:
    """Whom the order is for: the manufacturers of a payer's systems, or the payers of a manufacturer."""
    session, actor = current_session(), current_actor()
    if actor.side is not Side.MANUFACTURER:
        return directory.organisations(session, actor, Side.MANUFACTURER)
    payers = (Side.CUSTOMER, Side.INTEGRATOR)
    return [each for side in payers for each in directory.organisations(session, actor, side)]


def _typed_minor(form: OrderForm, currency: str) -> int:
    try:
        return parse_amount(form.amount.data, currency).minor
    except Invalid as error:
        raise Invalid(error.sentence, {"amount": error.sentence}) from error
