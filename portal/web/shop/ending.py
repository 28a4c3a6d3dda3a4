"""A plan that is paid by subscription is ended at once: what goes back is shown before the yes, which holds for that.

The figures are those of the instant of the page; with the yes they are worked out again for the same instant, and what
differs, or is some minutes old, is shown anew.
"""

from __future__ import annotations

from typing import cast
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine
from wtforms import BooleanField, HiddenField
from wtforms.validators import InputRequired

from portal.db import Scope
from portal.errors import Conflict, ProviderTrouble
from portal.payments import calls, rules
from portal.payments.models import Intent
from portal.selling import queries
from portal.selling.actions import EndNow, end_now, end_now_figures, end_now_said, leaving_cost
from portal.selling.queries import Bought
from portal.web.forms import Form, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.shop.blueprint import blueprint
from portal.web.shop.catalogue import may_buy
from portal.web.shop.changing import instant_shown, number_shown
from portal.web.shop.paying import gateway


class EndNowForm(Form):
    accepted = BooleanField(
        "I end the plan now, and have seen what goes back", validators=[InputRequired("Say yes to end the plan now.")]
    )
    shown_at = HiddenField()
    shown_total_minor = HiddenField()
    shown_tax_minor = HiddenField()


@blueprint.route("/bought/<uuid:purchase_key>/end/now", methods=["GET", "POST"])
@open_to(may_buy)
def end_plan_now(purchase_key: UUID) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.purchase_by_key(session, actor, purchase_key)
    form = EndNowForm()
    at = instant_shown(form.shown_at.data)
    if form.is_submitted() and (known := end_now_said(session, found, at)) is not None:
        # The same yes again, such as a second click, is the same end.
        return _carry_out(found, known)
    if form.validate_on_submit():
        shown = (number_shown(form.shown_total_minor.data), number_shown(form.shown_tax_minor.data))
        with refusals_of(form):
            try:
                return _carry_out(found, end_now(session, actor, found, at, shown, now=now))
            except Conflict as moved:
                session.rollback()
                form.refusal = moved.sentence
    figures = end_now_figures(session, found, now.replace(microsecond=0), now=now)
    _show(form, figures)
    return page(
        "shop/end_now.html", form, found=found, row=found.purchase, figures=figures,
        leaving=leaving_cost(session, found),
    )  # fmt: skip


def _show(form: EndNowForm, figures: EndNow) -> None:
    """What the buyer says yes to travels with the form, whatever was shown before."""
    form.shown_at.data = str(int(figures.at.timestamp()))
    form.shown_total_minor.data, form.shown_tax_minor.data = (str(minor) for minor in figures.shown)


def _carry_out(found: Bought, planned: Intent) -> ResponseReturnValue:
    """Have Stripe end it while the buyer waits; the job goes on with it where no answer comes."""
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
        flash("Stripe has not answered yet. The plan is ended as soon as it does, and what you saw goes back.", "warn")
        return back
    if state == rules.FAILED:
        failed = session.get_one(Intent, intent_id, populate_existing=True)
        return render_template("shop/not_ended.html", row=found.purchase, sentence=failed.failure), 409
    flash("The plan is ended. What goes back is on its way as soon as that is recorded.", "good")
    return back
