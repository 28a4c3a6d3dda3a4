"""A plan that is paid by subscription is changed to another one: what it costs, from when, and the policy with it."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, HiddenField, RadioField
from wtforms.validators import InputRequired

from portal.errors import Conflict
from portal.money import Money
from portal.selling import queries
from portal.selling.actions import change_plan, changes_possible
from portal.web.forms import Form, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.shop.blueprint import blueprint
from portal.web.shop.catalogue import INTERVALS, may_buy


class ChangeForm(Form):
    plan = RadioField("To which plan", validators=[InputRequired("Choose a plan.")])
    accepted = BooleanField("I accept the service policy", validators=[InputRequired("Accept the policy to change.")])
    shown_sha256 = HiddenField()


@blueprint.route("/bought/<uuid:purchase_key>/change", methods=["GET", "POST"])
@open_to(may_buy)
def change(purchase_key: UUID) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.purchase_by_key(session, actor, purchase_key)
    there = changes_possible(session, found, now=now)
    form = ChangeForm(shown_sha256=there.in_force.version.sha256)
    open_ones = {each.item.code: each for each in there.found if not each.refusal}
    interval = INTERVALS[found.purchase.interval]
    form.plan.choices = [
        (code, f"{each.item.name}, {Money(each.item.price_minor, each.item.currency)} {interval}")
        for code, each in open_ones.items()
    ]
    if form.validate_on_submit():
        with refusals_of(form):
            try:
                wanted = open_ones[form.plan.data].item
                sha256 = form.shown_sha256.data or ""
                change_plan(session, actor, found, wanted.code, sha256=sha256, shown_minor=wanted.price_minor, now=now)
                flash(f"{wanted.name} follows from {found.seen.covers_until.date() if found.seen else ''} on.", "good")
                return redirect(url_for("shop.purchase", purchase_key=purchase_key), code=303)
            except Conflict as moved:
                session.rollback()
                form.refusal, form.shown_sha256.data = moved.sentence, there.in_force.version.sha256
    return page(
        "shop/change.html", form, found=found, row=found.purchase, there=there, any_open=bool(open_ones),
        interval=interval, version=there.in_force.version,
    )  # fmt: skip
