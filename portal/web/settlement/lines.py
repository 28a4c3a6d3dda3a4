"""One statement line opened into what earned it: share, bill line, piece of work, note; and contesting it."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from portal.access import may_see_shares
from portal.ledger.queries import may_read_ledger
from portal.metering.rules import MODES
from portal.settlement import actions, cockpit, origins, queries, rules
from portal.web.billing.blueprint import may_read_debts
from portal.web.forms import Form, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.settlement.blueprint import OUTCOMES, blueprint, may_answer


class ContestForm(Form):
    reason = text_field("What is wrong with it?", required="Say what is wrong with the line.", limit=2_000)


@blueprint.get("/statement-lines/<int:statement_line_id>")
@open_to(may_see_shares)
def line(statement_line_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    origin = origins.line_origin(session, actor, statement_line_id)
    statement = queries.statement_seen(session, actor, origin.line.statement_id)
    raised = {one.statement_line_id: (one, end) for one, end in queries.contests(session, statement.id)}
    is_approved = queries.approval_of(session, statement.id) is not None
    reads_its_ledger = may_read_ledger(actor) and statement.manufacturer_id == actor.organisation_id
    return render_template(
        "settlement/line.html",
        origin=origin,
        statement=statement,
        contest=raised.get(statement_line_id),
        sees_debts=may_read_debts(actor),
        transaction_id=cockpit.transaction_behind(session, origin.line) if reads_its_ledger else None,
        may_contest=(
            may_answer(actor)
            and statement.party_id == actor.organisation_id
            and statement_line_id not in raised
            and rules.may_contest(statement.review_until, current_now(), is_approved=is_approved)
        ),
        outcomes=OUTCOMES,
        modes=MODES,
    )


@blueprint.route("/statement-lines/<int:statement_line_id>/contest", methods=["GET", "POST"])
@open_to(may_answer)
def contest_line(statement_line_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = queries.line_seen(session, actor, statement_line_id)
    statement = queries.statement_seen(session, actor, found.statement_id)
    form = ContestForm()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.contest_line(session, actor, statement_line_id, reason=form.reason.data, now=current_now())
            flash("The line is contested and held; the rest of the statement goes on.", "good")
            return redirect(url_for("settlement.statement", statement_id=statement.id), code=303)
    return page("settlement/contest_form.html", form, line=found, statement=statement)
