"""Contests: listed, and ended by the manufacturer's finance (it stands, it is corrected) or withdrawn by the party."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField
from wtforms.validators import InputRequired

from portal.access import may_see_shares
from portal.directory.queries import organisation_names
from portal.identity import queries as people
from portal.settlement import actions, cockpit
from portal.settlement.models import Contest
from portal.web.forms import Form, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.settlement.blueprint import OUTCOMES, blueprint, may_answer


class DecisionForm(Form):
    outcome = RadioField("How it ends", validators=[InputRequired("Choose how the contest ends.")])
    explanation = text_field("Why", required="Say why.", limit=2_000)


@blueprint.get("/contests")
@open_to(may_see_shares)
def contests() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    rows = cockpit.contests(session, actor)
    return render_template(
        "settlement/contests.html",
        rows=rows,
        names=organisation_names(session, [row.contest.party_id for row in rows]),
        outcomes=OUTCOMES,
        may_decide=may_answer(actor),
    )


@blueprint.route("/contests/<int:contest_id>", methods=["GET", "POST"])
@open_to(may_answer)
def contest(contest_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    raised = cockpit.contest(session, actor, contest_id)
    form = DecisionForm()
    form.outcome.choices = _choices(raised.contest)
    if form.validate_on_submit():
        with refusals_of(form):
            actions.decide_contest(
                session,
                actor,
                contest_id,
                outcome=form.outcome.data,
                explanation=form.explanation.data,
                now=current_now(),
            )
            flash("The contest is decided.", "good")
            return redirect(url_for("settlement.contests"), code=303)
    involved = {raised.contest.contested_by} | ({raised.decision.decided_by} if raised.decision else set())
    return page(
        "settlement/contest.html",
        form,
        raised=raised,
        people=people.names(session, involved),
        party_name=organisation_names(session, [raised.contest.party_id]).get(raised.contest.party_id, ""),
        outcomes=OUTCOMES,
    )


def _choices(raised: Contest) -> list[tuple[str, str]]:
    """The manufacturer decides, the party withdraws; who is both may do either."""
    own = current_actor().organisation_id
    decides = [("stands", OUTCOMES["stands"]), ("corrected", OUTCOMES["corrected"])]
    withdraws = [("withdrawn", "Withdraw it")]
    return (decides if own == raised.manufacturer_id else []) + (withdraws if own == raised.party_id else [])
