"""Worked time: the running timer in the top bar, the timesheet, entries and their corrections, approval.

Stopping is one click from any page: the click's instant is kept while the person says what was done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from flask import Blueprint, Flask, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.access import may_approve_time
from portal.calendars import resolve_local
from portal.cases.models import SupportCase
from portal.errors import Conflict, Invalid, NotFound
from portal.metering import actions, queries, rules
from portal.metering.models import RunningTimer
from portal.web.forms import page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.web.work_forms import ApprovalForm, CorrectionForm, EntryForm, ReversalForm, StopForm

blueprint = Blueprint("work", __name__)

NOTE_HELP = "Whoever pays for the time reads this."


@dataclass(frozen=True)
class TimerBar:
    """The running timer as the top bar prints it."""

    label: str
    href: str
    stop_href: str
    started_at: datetime


@dataclass(frozen=True)
class Week:
    """Seven days of the viewer's calendar and the weeks beside them."""

    first: date
    label: str
    before: str
    after: str


def register(app: Flask) -> None:
    """Show the running timer on every page of somebody who logs time."""

    @app.context_processor
    def timer_of_the_page() -> dict[str, object]:
        return {"running_timer": timer_bar}


def timer_bar() -> TimerBar | None:
    """The viewer's running timer, looked up once a page; none for a stranger or a mailed link."""
    viewer = g.get("viewer")
    if viewer is None or not rules.may_log_time(viewer.actor):
        return None
    running = queries.own_timer(current_session())
    if running is None:
        return None
    started_at, case_name = running
    return TimerBar(case_name or "Call without a case", url_for("work.timer"), url_for("work.stop"), started_at)


@blueprint.get("/time")
@open_to(rules.may_log_time)
def timesheet() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    week = _week(request.args.get("week"))
    states = queries.timesheet(
        session,
        actor,
        worker_id=actor.person_id,
        from_at=_midnight(week.first),
        until_at=_midnight(week.first + timedelta(days=7)),
    )
    return render_template(
        "work/timesheet.html",
        week=week,
        states=states,
        names=queries.case_names(session, [state.entry.case_id for state in states]),
        total_seconds=sum(state.entry.seconds for state in states if state.is_live),
        modes=rules.MODES,
    )


@blueprint.route("/time/new", methods=["GET", "POST"])
@open_to(rules.may_log_time)
def new_entry() -> ResponseReturnValue:
    form = EntryForm(case=request.args.get("case", ""))
    named = _case_if_named(form.case.data)
    form.offer_words(named)
    if form.validate_on_submit():
        with refusals_of(form):
            case = named or _named_case(form.case.data)
            actions.enter_time(
                current_session(),
                current_actor(),
                case,
                form.work,
                started_at=_instant(form.started_at.data),
                ended_at=_instant(form.ended_at.data),
                now=current_now(),
            )
            flash("The time is logged.", "good")
            return redirect(url_for("work.timesheet", week=f"{form.started_at.data:%G-W%V}"), code=303)
    return page("work/entry_form.html", form, note_help=NOTE_HELP)


@blueprint.get("/timer")
@open_to(rules.may_log_time)
def timer() -> ResponseReturnValue:
    running = queries.running_work(current_session(), current_actor())
    if running is None:
        return render_template("work/no_timer.html")
    row = running.timer
    form = StopForm(mode=row.mode, task_class=row.task_class, note=row.note)
    form.offer_words(_case_if_named(running.case_name))
    return _timer_page(form, row)


@blueprint.post("/timer")
@open_to(rules.may_log_time)
def start() -> ResponseReturnValue:
    name = request.form.get("case", "")
    session, actor = current_session(), current_actor()
    case = queries.case_to_work_on(session, actor, name) if name else None
    actions.start_timer(
        session,
        actor,
        case,
        mode=request.form.get("mode", "remote"),
        task_class=request.form.get("task_class", case.task_class if case else "support"),
        now=current_now(),
    )
    return redirect(url_for("cases.case", name=case.name) if case else url_for("work.timer"), code=303)


@blueprint.post("/timer/note")
@open_to(rules.may_log_time)
def note() -> ResponseReturnValue:
    actions.note_timer(current_session(), current_actor(), request.form.get("note", ""), current_now())
    flash("The note is kept; the timer runs on.", "good")
    return redirect(url_for("work.timer"), code=303)


@blueprint.post("/timer/stop")
@open_to(rules.may_log_time)
def stop() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    running = queries.running_work(session, actor)
    if running is None:
        raise NotFound("No timer of yours is running.")
    if "mode" not in request.form:
        # The one click from the top bar: nothing was said yet, so what the timer knows is asked to be completed.
        row = running.timer
        form = StopForm(None, mode=row.mode, task_class=row.task_class, note=row.note, stopped_at=now.isoformat())
        form.offer_words(_case_if_named(running.case_name))
        return _timer_page(form, row)
    form = StopForm()
    form.offer_words(_case_if_named(running.case_name))
    if form.validate():
        with refusals_of(form):
            entry = actions.stop_timer(session, actor, form.work, now=now, ended_at=_end_of(form, running.timer))
            names = queries.case_names(session, [entry.case_id])
            flash(f"Logged on {names[entry.case_id]}.", "good")
            return redirect(url_for("cases.case", name=names[entry.case_id]), code=303)
    return _timer_page(form, running.timer)


@blueprint.post("/timer/discard")
@open_to(rules.may_log_time)
def discard() -> ResponseReturnValue:
    actions.discard_timer(current_session(), current_actor())
    flash("The timer is discarded; no time was logged.", "good")
    return redirect(url_for("work.timesheet"), code=303)


@blueprint.get("/time/entries/<int:entry_id>")
@open_to(rules.may_log_time)
def entry(entry_id: int) -> ResponseReturnValue:
    state = queries.entry(current_session(), current_actor(), entry_id)
    names = queries.case_names(current_session(), [state.entry.case_id])
    return render_template(
        "work/entry.html",
        state=state,
        case_name=names[state.entry.case_id],
        may_correct=state.is_live and _may_correct(state),
        form=ReversalForm(),
        modes=rules.MODES,
        task_classes=rules.TASK_CLASSES,
    )


@blueprint.route("/time/entries/<int:entry_id>/correction", methods=["GET", "POST"])
@open_to(rules.may_log_time)
def correct(entry_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    state = queries.entry(session, actor, entry_id)
    name = queries.case_names(session, [state.entry.case_id])[state.entry.case_id]
    old = state.entry
    form = CorrectionForm(
        case=name,
        mode=old.mode,
        task_class=old.task_class,
        role=old.role,
        skill=old.skill,
        note=old.note,
        started_at=_wall_clock(old.started_at),
        ended_at=_wall_clock(old.ended_at),
    )
    form.offer_words(_case_if_named(name))
    if form.validate_on_submit():
        with refusals_of(form):
            corrected = actions.correct_entry(
                session,
                actor,
                entry_id,
                form.work,
                started_at=_kept_seconds(form.started_at.data, old.started_at),
                ended_at=_kept_seconds(form.ended_at.data, old.ended_at),
                reason=form.reason.data,
                now=current_now(),
            )
            flash("The entry is corrected: the old one is reversed, the new one stands.", "good")
            return redirect(url_for("work.entry", entry_id=corrected.id), code=303)
    return page("work/entry_form.html", form, note_help=NOTE_HELP, corrected=state, case_name=name)


@blueprint.post("/time/entries/<int:entry_id>/reversal")
@open_to(rules.may_log_time)
def reverse(entry_id: int) -> ResponseReturnValue:
    queries.entry(current_session(), current_actor(), entry_id)
    form = ReversalForm()
    if form.validate():
        actions.reverse_entry(current_session(), current_actor(), entry_id, reason=form.reason.data, now=current_now())
        flash("The entry is taken back.", "good")
    else:
        flash("A correction needs its reason.", "bad")
    return redirect(url_for("work.entry", entry_id=entry_id), code=303)


@blueprint.route("/time/approvals", methods=["GET", "POST"])
@open_to(may_approve_time)
def approvals() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    form = ApprovalForm()
    if form.validate_on_submit():
        chosen = form.entries.data or []
        if not chosen:
            form.refuse(Invalid("Tick at least one entry."))
        else:
            count = actions.approve_time(session, actor, chosen, current_now())
            flash(f"{count} {'entry is' if count == 1 else 'entries are'} approved.", "good")
            return redirect(url_for("work.approvals"), code=303)
    waiting = queries.awaiting_approval(session, actor)
    parts = queries.parts_to_confirm(session, actor)
    names = queries.case_names(session, [*(each.case_id for each in waiting), *(each.case_id for each in parts)])
    return page("work/approvals.html", form, waiting=waiting, parts=parts, names=names, modes=rules.MODES)


def _timer_page(form: StopForm, row: RunningTimer) -> ResponseReturnValue:
    running = queries.running_work(current_session(), current_actor())
    question = rules.question_about(row.started_at, row.seen_at, current_now())
    return page(
        "work/timer.html",
        form,
        running=running,
        question=question.value,
        stopped_at=_parsed_instant(form.stopped_at.data),
        note_help=NOTE_HELP,
    )


def _case_if_named(name: str | None) -> SupportCase | None:
    """The case whose policy's words are offered; none while it is not named rightly."""
    try:
        return queries.case_to_work_on(current_session(), current_actor(), name or "")
    except NotFound:
        return None


def _named_case(name: str) -> SupportCase:
    try:
        return queries.case_to_work_on(current_session(), current_actor(), name)
    except NotFound as missing:
        sentence = "No case of yours has this name."
        raise Invalid(sentence, {"case": sentence}) from missing


def _end_of(form: StopForm, row: RunningTimer) -> datetime | None:
    """When the work ended: as said for a forgotten timer, else the instant of the click, else now."""
    if form.ended_at.data is not None:
        return _kept_seconds(form.ended_at.data, row.started_at)
    clicked = _parsed_instant(form.stopped_at.data)
    if clicked is None:
        return None
    if not row.started_at <= clicked <= current_now():
        raise Conflict("This page was made for another timer. Stop the running one from its own page.")
    return clicked


def _may_correct(state: queries.EntryState) -> bool:
    return rules.may_correct(
        current_actor(),
        worker_id=state.entry.person_id,
        company_id=state.entry.organisation_id,
        is_approved=state.is_approved,
    )


def _parsed_instant(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def _wall_clock(at: datetime) -> datetime:
    return at.astimezone(current_zone()).replace(tzinfo=None)


def _instant(wall_clock: datetime) -> datetime:
    return resolve_local(current_zone().key, wall_clock)


def _kept_seconds(wall_clock: datetime, before: datetime) -> datetime:
    """The instant that was typed to the minute; an unchanged minute keeps its seconds."""
    if _wall_clock(before).replace(second=0, microsecond=0) == wall_clock:
        return before
    return _instant(wall_clock)


def _midnight(day: date) -> datetime:
    return _instant(datetime.combine(day, time()))


def _week(wanted: str | None) -> Week:
    today = current_now().astimezone(current_zone()).date()
    try:
        first = datetime.strptime(f"{wanted}-1", "%G-W%V-%u").date() if wanted else None  # noqa: DTZ007
    except ValueError:
        first = None
    if first is None:
        first = today - timedelta(days=today.weekday())
    week = timedelta(days=7)
    return Week(first, f"{first:%G-W%V}", f"{first - week:%G-W%V}", f"{first + week:%G-W%V}")
