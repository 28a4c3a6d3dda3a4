"""What parties have to return: from which refund, netted from which statements, and giving up what will not come."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField, SelectField
from wtforms.validators import InputRequired

from portal.adjustments.actions import writing_off as actions
from portal.adjustments.actions.asking import LONGEST_EXPLANATION, LONGEST_REASON
from portal.directory.queries import organisation_names
from portal.identity import queries as people
from portal.settlement import debts as reading
from portal.web.adjustments.blueprint import blueprint, may_decide_any
from portal.web.billing.blueprint import may_read_debts
from portal.web.forms import Form, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.stepping import confirmed

STEPS = {
    "taken": ("Taken out of a transfer", "good"),
    "owed": ("Owed", "warn"),
    "netted": ("Netted", "good"),
    "written_off": ("Given up", "plain"),
}
BEARERS = {
    "operator": "The operator, as an expense",
    "manufacturer": "The manufacturer, out of what it has coming",
}


class WriteOffForm(Form):
    bearer = SelectField("Who bears it", choices=list(BEARERS.items()))
    reason = text_field("Why it will not come back", required="Say why.", limit=LONGEST_REASON)


class DecisionForm(Form):
    outcome = RadioField(
        "Your answer", choices=[("yes", "Give it up"), ("no", "Keep it owed")], validators=[InputRequired("Say which.")]
    )
    explanation = text_field("Why", limit=LONGEST_EXPLANATION)


@blueprint.get("/claw-backs")
@open_to(may_read_debts)
def claw_backs() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    rows = reading.debts(session, actor)
    totals: dict[tuple[int, str], int] = {}
    for each in rows:
        key = (each.row.party_id, each.row.currency)
        totals[key] = totals.get(key, 0) + each.rest_minor
    parties = {each.row.party_id for each in rows} | {each.row.manufacturer_id for each in rows}
    return render_template(
        "adjustments/claw_backs.html",
        rows=[(each, each.is_old(now)) for each in rows],
        totals=[(party, currency, minor) for (party, currency), minor in totals.items() if minor],
        names=organisation_names(session, sorted(parties)),
    )


@blueprint.get("/claw-backs/<int:claw_back_id>")
@open_to(may_read_debts)
def claw_back(claw_back_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = reading.debt(session, actor, claw_back_id)
    is_maker = actor.organisation_id == found.row.manufacturer_id
    asked = actions.write_offs_of(session, found.row.id) if is_maker else []
    known = {each.asked_by for each, _ in asked} | {said.decided_by for _, said in asked if said is not None}
    waits = actions.waiting(session, found.row.id) if is_maker else None
    return render_template(
        "adjustments/claw_back.html",
        debt=found,
        row=found.row,
        steps=STEPS,
        bearers=BEARERS,
        write_offs=asked,
        people=people.names(session, known),
        names=organisation_names(session, [found.row.party_id, found.row.manufacturer_id]),
        may_ask=is_maker and may_decide_any(actor) and found.rest_minor > 0 and waits is None,
        to_decide=waits if waits is not None and waits.asked_by != actor.person_id else None,
    )


@blueprint.route("/claw-backs/<int:claw_back_id>/write-off", methods=["GET", "POST"])
@open_to(may_decide_any)
@confirmed("give up what a party owes")
def write_off(claw_back_id: int) -> ResponseReturnValue:
    """Ask to give up what is left."""
    session, actor = current_session(), current_actor()
    actions.claw_back_owned(session, actor, claw_back_id)
    found = reading.debt(session, actor, claw_back_id)
    form = WriteOffForm()
    if form.validate_on_submit():
        with refusals_of(form):
            said = {"bearer": form.bearer.data or "", "reason": form.reason.data or ""}
            actions.ask(session, actor, claw_back_id, **said, now=current_now())
            flash("It waits for a second person of finance.", "good")
            return redirect(url_for("adjustments.claw_back", claw_back_id=claw_back_id), code=303)
    names = organisation_names(session, [found.row.party_id])
    return page("adjustments/write_off.html", form, debt=found, row=found.row, names=names)


@blueprint.route("/write-offs/<int:write_off_id>/decision", methods=["GET", "POST"])
@open_to(may_decide_any)
@confirmed("decide on giving up what a party owes")
def decide_write_off(write_off_id: int) -> ResponseReturnValue:
    """The second person's yes or no."""
    session, actor = current_session(), current_actor()
    asked = actions.write_off_seen(session, actor, write_off_id)
    form = DecisionForm()
    if form.validate_on_submit():
        with refusals_of(form):
            said = {"outcome": form.outcome.data, "explanation": form.explanation.data or ""}
            actions.decide(session, actor, write_off_id, **said, now=current_now())
            flash("Your answer is kept.", "good")
            return redirect(url_for("adjustments.claw_back", claw_back_id=asked.claw_back_id), code=303)
    return page("adjustments/write_off_decision.html", form, asked=asked, bearers=BEARERS)
