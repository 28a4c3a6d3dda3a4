"""Promotion codes of the manufacturer: made, looked at with the orders that used them, withdrawn."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, DateField, IntegerField
from wtforms.validators import InputRequired, Optional

from portal.contracts import queries as contracts
from portal.contracts.queries import PolicyInForce
from portal.directory import queries as directory
from portal.errors import Invalid
from portal.money import Money, parse_amount
from portal.selling import queries
from portal.selling.actions import make_code, may_promote, promotion_said, withdraw_code
from portal.selling.rules import Promotion, catalogue, goods_of
from portal.web.forms import CheckboxesField, Form, line_field, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.shop.blueprint import blueprint
from portal.zones import local_day, resolve_local

# State to (words, tone).
STATES = {
    "open": ("Open", "good"),
    "to_come": ("Not yet", "plain"),
    "over": ("Over", "plain"),
    "used_up": ("Used up", "warn"),
    "withdrawn": ("Withdrawn", "plain"),
}


class CodeForm(Form):
    code = line_field("Code", required="Say the code that buyers type.", limit=40)
    percent = IntegerField("Percent off", validators=[Optional()])
    amount = line_field("Amount off", limit=20, render_kw={"inputmode": "decimal"})
    goods = CheckboxesField("For")
    starts_on = DateField("Holds from", validators=[InputRequired("Say from which day it holds.")])
    ends_on = DateField("Last day", validators=[Optional()])
    most_uses = IntegerField("Uses at most", validators=[Optional()])
    once_per_customer = BooleanField("Each customer once", default=True)


@blueprint.route("/promotion-codes", methods=["GET", "POST"])
@open_to(may_promote)
def promotion_codes() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    in_force = contracts.policy_in_force(session, actor.organisation_id, now)
    form = CodeForm(starts_on=local_day(in_force.policy.zone, now))
    form.goods.choices = list({goods_of(item): item.name for item in catalogue(in_force.policy)}.items())
    if form.validate_on_submit():
        with refusals_of(form):
            made = make_code(session, actor, _wanted(form, in_force), now=now)
            flash(f"{made.code} can be used in the shop.", "good")
            return redirect(url_for("shop.promotion_code", promotion_code_id=made.id), code=303)
    return page(
        "shop/promotion_codes.html",
        form,
        codes=queries.promotion_codes(session, actor),
        states=STATES,
        now=now,
        off=_off,
        currency=in_force.policy.currency,
    )


@blueprint.get("/promotion-codes/<int:promotion_code_id>")
@open_to(may_promote)
def promotion_code(promotion_code_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.promotion_code(session, actor, promotion_code_id)
    in_force = contracts.policy_in_force(session, actor.organisation_id, now)
    names = {goods_of(item): item.name for item in catalogue(in_force.policy)}
    return render_template(
        "shop/promotion_code.html",
        found=found,
        state=found.state(now),
        states=STATES,
        off=_off(found),
        goods=[names.get(each, each) for each in promotion_said(found.code).goods],
        # The code holds until the midnight that begins this day.
        last_at=found.code.ends_at - timedelta(seconds=1) if found.code.ends_at else None,
        names=directory.organisation_names(session, sorted({use.customer_id for use, _, _ in found.uses})),
    )


@blueprint.post("/promotion-codes/<int:promotion_code_id>/withdrawal")
@open_to(may_promote)
def withdraw_promotion_code(promotion_code_id: int) -> ResponseReturnValue:
    withdraw_code(current_session(), current_actor(), promotion_code_id, now=current_now())
    flash("The code is withdrawn. Orders made with it keep their price.", "good")
    return redirect(url_for("shop.promotion_code", promotion_code_id=promotion_code_id), code=303)


def _wanted(form: CodeForm, in_force: PolicyInForce) -> Promotion:
    policy = in_force.policy

    def midnight(day: date) -> datetime:
        return resolve_local(policy.zone, datetime(day.year, day.month, day.day))  # noqa: DTZ001

    amount = None
    if form.amount.data:
        try:
            amount = parse_amount(form.amount.data, policy.currency).minor
        except Invalid as unread:
            raise Invalid("The code cannot be made like this.", {"amount": unread.sentence}) from unread
    return Promotion(
        code=(form.code.data or "").upper(),
        percent=form.percent.data,
        amount_minor=amount,
        currency=policy.currency,
        goods=tuple(form.goods.data or ()),
        starts_at=midnight(form.starts_on.data),
        ends_at=midnight(form.ends_on.data + timedelta(days=1)) if form.ends_on.data else None,
        most_uses=form.most_uses.data,
        once_per_customer=form.once_per_customer.data,
    )


def _off(found: queries.CodeView) -> str:
    """What it takes off, in words."""
    code = found.code
    return f"{code.percent} %" if code.percent is not None else str(Money(code.amount_minor or 0, code.currency))
