"""Holds: what is not paid for now and why; placing one on a case or a party, and ending it."""

from __future__ import annotations

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField
from wtforms.validators import InputRequired

from portal.identity import queries as people
from portal.settlement import holding
from portal.web.forms import Form, line_field, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.settlement.blueprint import blueprint, may_settle

KINDS = {"case": "Case", "party": "Party", "chargeback": "Chargeback"}


class HoldForm(Form):
    kind = RadioField(
        "What is held",
        choices=[("case", "All of a case"), ("party", "All that a company is paid")],
        validators=[InputRequired("Choose what is held.")],
    )
    subject = line_field("Its name", required="The name of the case, or the code of the company.", limit=40)
    reason = text_field("Why", required="Say why.", limit=holding.LONGEST_REASON)


class EndForm(Form):
    reason = text_field("Why it ends", required="Say why.", limit=holding.LONGEST_REASON)


@blueprint.route("/holds", methods=["GET", "POST"])
@open_to(may_settle)
def holds() -> ResponseReturnValue:
    session, actor, form = current_session(), current_actor(), HoldForm()
    if form.validate_on_submit():
        place = holding.hold_case if form.kind.data == "case" else holding.hold_party
        with refusals_of(form):
            place(session, actor, form.subject.data, reason=form.reason.data, now=current_now())
            flash("It is held from the next statement that is prepared.", "good")
            return redirect(url_for("settlement.holds"), code=303)
    rows = holding.standing_holds(session, actor)
    names = people.names(session, {row.hold.placed_by for row in rows if row.hold.placed_by})
    return page("settlement/holds.html", form, rows=rows, names=names, kinds=KINDS)


@blueprint.route("/holds/<int:hold_id>/end", methods=["GET", "POST"])
@open_to(may_settle)
def end_hold(hold_id: int) -> ResponseReturnValue:
    session, actor, form = current_session(), current_actor(), EndForm()
    hold = holding.hold_seen(session, actor, hold_id)
    if form.validate_on_submit():
        with refusals_of(form):
            holding.end_hold(session, actor, hold_id, reason=form.reason.data, now=current_now())
            flash("The hold has ended; what it held comes with the next statement.", "good")
            return redirect(url_for("settlement.holds"), code=303)
    return page("settlement/hold_end.html", form, hold=hold, kinds=KINDS)
