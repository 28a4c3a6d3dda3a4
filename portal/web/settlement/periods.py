"""The close cockpit: what a period waits for, in its order; closing it by job; closing it for good."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.access import Side, may_see_shares
from portal.directory.queries import organisation_names
from portal.errors import NotFound, RuleBroken
from portal.ledger import queries as ledger
from portal.ledger.models import Period
from portal.settlement import actions, checking, cockpit, queries, rules
from portal.settlement.checking import PeriodFailure
from portal.settlement.cockpit import CloseProgress
from portal.settlement.queries import StatementStage
from portal.settlement.waiting import waiting_for_accounts
from portal.web.forms import Form, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.ledger import PERIOD_STATES
from portal.web.settlement.blueprint import DISPOSALS, STAGES, blueprint, may_settle


class RemakingForm(Form):
    reason = text_field("Why", required="Say why.", limit=actions.LONGEST_REASON)


@dataclass(frozen=True)
class Step:
    """One thing a period waits for: whether it is done, what is left of it, and where that is."""

    label: str
    is_done: bool
    left: str
    href: str = ""


@blueprint.get("/periods")
@open_to(may_see_shares)
def periods() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    if actor.side is not Side.MANUFACTURER or not may_settle(actor):
        return redirect(url_for("settlement.statements"), code=303)
    return render_template(
        "settlement/periods.html", periods=ledger.periods(session, actor), states=PERIOD_STATES, now=current_now()
    )


@blueprint.get("/periods/<int:period_id>")
@open_to(may_settle)
def period(period_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.period_seen(session, actor, period_id)
    progress = cockpit.close_progress(session, actor, period_id)
    stages = queries.stages(session, actor, period_id, now=now)
    was_asked = request.args.get("asked") == "1"
    return render_template(
        "settlement/period.html",
        period=found,
        steps=steps_of(found, progress, stages, has_ended=now >= found.ends_at),
        progress=progress,
        stages=stages,
        settled=cockpit.settled_amounts(session, actor, period_id),
        waiting=(waiting := waiting_for_accounts(session, actor, period_id=period_id)),
        names=organisation_names(session, [each.party_id for each in waiting]),
        manifests=queries.manifests_of(session, period_id),
        state=PERIOD_STATES[found.state],
        words=STAGES,
        disposals=DISPOSALS,
        may_close=found.state == "open" and now >= found.ends_at and not was_asked,
        may_end=found.state == "soft_closed" and not queries.unsettled_statements(session, period_id),
        may_remake=found.state == "soft_closed" and stages and not queries.approved_statements(session, period_id),
        failure=_failure(found),
        is_moving=found.state == "closing" or (was_asked and found.state in ("open", "soft_closed")),
    )


def _failure(found: Period) -> PeriodFailure | None:
    """Why the job that the period waits for failed last; nothing once the period has moved on."""
    waits_for = {"open": "close_period", "closing": "close_period", "soft_closed": "hard_close_period"}
    failure = checking.period_failure(current_session(), found.id)
    return failure if failure is not None and failure.job_name == waits_for.get(found.state) else None


@blueprint.post("/periods/<int:period_id>/close")
@open_to(may_settle)
def close(period_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    try:
        actions.request_close(session, actor, period_id, now=current_now())
    except RuleBroken as refusal:
        flash(refusal.sentence, "bad")
        return redirect(url_for("settlement.period", period_id=period_id), code=303)
    flash("The period is being closed. You can leave this page; it goes on by itself.", "good")
    return redirect(url_for("settlement.period", period_id=period_id, asked=1), code=303)


@blueprint.route("/periods/<int:period_id>/remaking", methods=["GET", "POST"])
@open_to(may_settle)
def remake(period_id: int) -> ResponseReturnValue:
    session, actor, form = current_session(), current_actor(), RemakingForm()
    found = queries.period_seen(session, actor, period_id)
    if form.validate_on_submit():
        with refusals_of(form):
            actions.request_remaking(session, actor, period_id, reason=form.reason.data)
            flash("The statements are being made again.", "good")
            return redirect(url_for("settlement.period", period_id=period_id, asked=1), code=303)
    return page("settlement/remaking.html", form, period=found)


@blueprint.get("/periods/<int:period_id>/manifest")
@open_to(may_settle)
def manifest(period_id: int) -> ResponseReturnValue:
    """What the latest close froze, as the text that its hash is over."""
    session, actor = current_session(), current_actor()
    found = queries.period_seen(session, actor, period_id)
    kept = queries.manifests_of(session, period_id)
    if not kept:
        raise NotFound
    headers = {
        "Content-Disposition": f'attachment; filename="manifest-{found.label}-{kept[-1].kind}.json"',
        "X-Content-SHA256": kept[-1].sha256,
    }
    return Response(rules.spelled(kept[-1].content), mimetype="application/json", headers=headers)


@blueprint.post("/periods/<int:period_id>/hard-close")
@open_to(may_settle)
def hard_close(period_id: int) -> ResponseReturnValue:
    actions.request_hard_close(current_session(), current_actor(), period_id)
    flash("The period is being closed for good, in your name.", "good")
    return redirect(url_for("settlement.period", period_id=period_id, asked=1), code=303)


def steps_of(period: Period, progress: CloseProgress, stages: list[StatementStage], *, has_ended: bool) -> list[Step]:
    """What the period waits for, in the order in which it has to happen."""
    is_closed = period.state in ("soft_closed", "hard_closed")
    by_stage = {stage: [each for each in stages if each.stage == stage] for stage in STAGES}
    undecided = sum(each.undecided for each in stages)
    here = url_for("settlement.period", period_id=period.id) + "#statements"
    in_review, to_prepare, to_approve = by_stage["in_review"], by_stage["to_prepare"], by_stage["to_approve"]
    unbilled = _count(progress.unbilled_cuts, "case is not billed", "cases are not billed")
    return [
        Step("The month ends", has_ended, "" if has_ended else "It takes postings until its last instant."),
        Step("Work is billed", not progress.unbilled_cuts, unbilled, url_for("billing.unbilled")),
        Step("The period is closed and its statements made", is_closed, _closing_words(period, progress)),
        Step("Parties review", is_closed and not in_review, _count(len(in_review), "in review", "in review"), here),
        Step("Contests are decided", is_closed and not undecided, _count(undecided, "undecided", "undecided"),
             url_for("settlement.contests")),
        Step("Statements are prepared", is_closed and not (in_review or to_prepare),
             _count(len(to_prepare), "to prepare", "to prepare"), here),
        Step("Somebody else approves", is_closed and not (in_review or to_prepare or to_approve),
             _count(len(to_approve), "to approve", "to approve"), here),
        Step("Transfers are at Stripe",
             is_closed and not progress.unsent and all(each.stage == "done" for each in stages),
             _count(progress.unsent, "transfer waits", "transfers wait"), url_for("settlement.transfers")),
        Step("The period is closed for good", period.state == "hard_closed", ""),
    ]  # fmt: skip


def _closing_words(period: Period, progress: CloseProgress) -> str:
    if period.state == "open":
        return ""
    chained = f"{progress.chained} of {progress.transactions} transactions chained"
    return f"{chained}, {progress.statements} statements, {progress.invoices} invoices"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""
