"""A plan that is paid by subscription is changed to another one: from its next period on, or at once.

What a change at once charges is asked of Stripe for the instant of the page and shown before anybody says yes; with the
yes it is asked again, and what differs, or is some minutes old, is shown anew.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine
from wtforms import BooleanField, HiddenField, RadioField
from wtforms.validators import InputRequired

from portal.db import Scope
from portal.directory.models import Site
from portal.errors import Conflict, ProviderTrouble
from portal.money import Money
from portal.payments import calls, rules
from portal.payments.gateway import Gateway
from portal.payments.models import Intent
from portal.selling import queries
from portal.selling.actions import AtOnce, Changes, change_plan, changes_possible, preview_at_once, said_before
from portal.selling.queries import Bought
from portal.selling.rules import PlanChange
from portal.web.display import money_text
from portal.web.forms import Form, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.shop.blueprint import blueprint
from portal.web.shop.catalogue import INTERVALS, may_buy
from portal.web.shop.paying import gateway
from portal.zones import local_day


class ChangeForm(Form):
    plan = RadioField("To which plan", validators=[InputRequired("Choose a plan.")])
    accepted = BooleanField("I accept the service policy", validators=[InputRequired("Accept the policy to change.")])
    shown_sha256 = HiddenField()


class AtOnceForm(Form):
    accepted = BooleanField(
        "I accept the service policy, and that this is charged now",
        validators=[InputRequired("Accept the policy and the charge to change the plan.")],
    )
    shown_sha256 = HiddenField()
    shown_at = HiddenField()
    shown_minor = HiddenField()
    shown_total_minor = HiddenField()
    shown_tax_minor = HiddenField()


@blueprint.route("/bought/<uuid:purchase_key>/change", methods=["GET", "POST"])
@open_to(may_buy)
def change(purchase_key: UUID) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.purchase_by_key(session, actor, purchase_key)
    there = changes_possible(session, found, now=now)
    form = ChangeForm(shown_sha256=there.in_force.version.sha256)
    open_ones = {f"{each.item.code}:{each.item.interval}": each for each in there.found if not each.refusal}
    form.plan.choices = [
        (key, f"{each.item.name}, {money_text(_price(each))} {INTERVALS[each.item.interval]}")
        for key, each in open_ones.items()
    ]
    if form.validate_on_submit():
        with refusals_of(form):
            try:
                wanted = open_ones[form.plan.data].item
                sha256, shown_minor = form.shown_sha256.data or "", wanted.price_minor
                change_plan(
                    session, actor, found, wanted.code,
                    interval=wanted.interval, sha256=sha256, shown_minor=shown_minor, now=now,
                )  # fmt: skip
                from_on = local_day(there.in_force.policy.zone, open_ones[form.plan.data].from_at)
                flash(f"{wanted.name} follows from {from_on} on.", "good")
                return redirect(url_for("shop.purchase", purchase_key=purchase_key), code=303)
            except Conflict as moved:
                session.rollback()
                form.refusal, form.shown_sha256.data = moved.sentence, there.in_force.version.sha256
    return page(
        "shop/change.html", form, found=found, row=found.purchase, there=there, any_open=bool(open_ones),
        intervals=INTERVALS, version=there.in_force.version,
    )  # fmt: skip


@blueprint.route("/bought/<uuid:purchase_key>/change/now/<code>/<interval>", methods=["GET", "POST"])
@open_to(may_buy)
def change_now(purchase_key: UUID, code: str, interval: str) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.purchase_by_key(session, actor, purchase_key)
    form = AtOnceForm()
    if (
        form.is_submitted()
        and (known := said_before(session, found, code, interval, instant_shown(form.shown_at.data))) is not None
    ):
        # The same yes again, such as a second click, is the same change.
        return _carry_out(found, known)
    there = changes_possible(session, found, now=now)
    wanted = there.named(code, interval)
    stripe = gateway().for_page()
    if form.validate_on_submit():
        with refusals_of(form):
            try:
                return _carry_out(found, _yes(found, form, wanted, stripe))
            except Conflict as moved:
                session.rollback()
                form.refusal = moved.sentence
    shown = _preview(found, wanted, stripe, now.replace(microsecond=0))
    _show(form, there, wanted, shown)
    return page(
        "shop/change_now.html", form, found=found, row=found.purchase, wanted=wanted, shown=shown.preview,
        held=found.seen, interval=INTERVALS[interval], version=there.in_force.version,
    )  # fmt: skip


def new_figures(found: Bought, change_to: Intent) -> str:
    """Where a change is tried again that was not charged because its figures had moved; empty where they had not."""
    if change_to.state != rules.FAILED or not change_to.progress.get(rules.FIGURES_MOVED):
        return ""
    said = change_to.request["plan"]
    wanted = {"code": said["code"], "interval": said["interval"]}
    return url_for("shop.change_now", purchase_key=found.purchase.form_key, **wanted)


def _price(change_to: PlanChange) -> Money:
    return Money(change_to.item.price_minor, change_to.item.currency)


def _preview(found: Bought, wanted: PlanChange, stripe: Gateway, at: datetime) -> AtOnce:
    if found.subscription is None:
        raise Conflict("There is no running subscription.")
    name = current_session().get_one(Site, found.purchase.site_id).name
    return preview_at_once(stripe, found.subscription.provider_subscription_id, wanted, name, at, now=current_now())


def _show(form: AtOnceForm, there: Changes, wanted: PlanChange, shown: AtOnce) -> None:
    """What the buyer says yes to travels with the form, whatever was shown before."""
    form.shown_sha256.data = there.in_force.version.sha256
    form.shown_at.data = str(int(shown.at.timestamp()))
    form.shown_minor.data = str(wanted.item.price_minor)
    form.shown_total_minor.data, form.shown_tax_minor.data = (str(minor) for minor in shown.shown)


def instant_shown(text: str | None) -> datetime:
    """The instant of figures; what is no instant is one that is too old."""
    return datetime.fromtimestamp(number_shown(text), UTC)


def number_shown(text: str | None) -> int:
    """A whole number as it was shown; zero for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 12 else 0


def _yes(found: Bought, form: AtOnceForm, wanted: PlanChange, stripe: Gateway) -> Intent:
    asked = _preview(found, wanted, stripe, instant_shown(form.shown_at.data))
    shown = (number_shown(form.shown_total_minor.data), number_shown(form.shown_tax_minor.data))
    return change_plan(
        current_session(),
        current_actor(),
        found,
        wanted.item.code,
        interval=wanted.item.interval,
        sha256=form.shown_sha256.data or "",
        shown_minor=number_shown(form.shown_minor.data),
        at_once=(asked, shown),
        now=current_now(),
    )


def _carry_out(found: Bought, planned: Intent) -> ResponseReturnValue:
    """Have Stripe charge it while the buyer waits; the job goes on with it where no answer comes."""
    session, actor, now = current_session(), current_actor(), current_now()
    engine, intent_id = cast(Engine, session.get_bind()), planned.id
    back = redirect(url_for("shop.purchase", purchase_key=found.purchase.form_key), code=303)
    # The yes has to stand before anybody is called.
    session.commit()
    try:
        state = calls.perform(
            engine, gateway().for_page(), intent_id, now, scope=Scope(actor.organisation_id, actor.person_id)
        )
    except ProviderTrouble:
        flash("Stripe has not answered yet. Nothing is charged twice; how it ended stands here in a minute.", "warn")
        return back
    if state == rules.FAILED:
        failed = session.get_one(Intent, intent_id, populate_existing=True)
        return render_template(
            "shop/not_changed.html", row=found.purchase, sentence=failed.failure, new_figures=new_figures(found, failed)
        ), 409
    flash("It is charged. The other plan holds from now on, as soon as the payment is recorded.", "good")
    return back
