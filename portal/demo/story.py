"""Lets the plots happen: every act by the portal's own actions, at its time, by somebody who may do it.

Acts wait in a heap by time. Before each act the jobs that are due by then have run, so mail, clocks, bills and closings
happen as they would have. People never work on two things at once.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.access import Actor, Audience, Role, may_authorize_spending
from portal.cases import actions as cases
from portal.cases.models import SupportCase
from portal.db import transaction
from portal.demo.founding import World
from portal.demo.plots import Course, Plot
from portal.entitlement.models import Authorization, AuthorizationRefusal, AuthorizationRequest
from portal.metering import actions as metering
from portal.metering import queries as metered
from portal.metering.actions import Work

Act = Callable[[Session, datetime], object]
MINUTE = timedelta(minutes=1)


@dataclass
class Story:
    """The acts to come and the people who are busy; ``run_jobs(at)`` runs what is due by then."""

    engine: Engine
    world: World
    random: Random
    run_jobs: Callable[[datetime], object]
    now: datetime
    acts: list[tuple[datetime, int, Act]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    busy_until: dict[int, datetime] = field(default_factory=dict)

    def plan(self, at: datetime, act: Act) -> None:
        """Have something happen at a time; what would lie in the future never happens."""
        if at < self.now:
            heapq.heappush(self.acts, (at.replace(microsecond=0), next(self.numbers), act))

    def play(self, until: datetime) -> None:
        """Let everything before ``until`` happen."""
        jobs_ran_at: datetime | None = None
        while self.acts and self.acts[0][0] < until:
            at, _, act = heapq.heappop(self.acts)
            if at != jobs_ran_at:
                self.run_jobs(at)
                jobs_ran_at = at
            with transaction(self.engine) as session:
                act(session, at)
        self.run_jobs(until)

    def free_from(self, actor: Actor, at: datetime, minutes: int) -> datetime:
        """When the person can start on something of that length; takes the time."""
        start = max(at, self.busy_until.get(actor.person_id, at))
        self.busy_until[actor.person_id] = start + (minutes + 5) * MINUTE
        return start

    def choose(self, code: str, role: Role) -> Actor:
        """Somebody of a company with a role."""
        return self.random.choice(self.world.people_of(code, role))


def begin_case(story: Story, plot: Plot) -> None:
    """Plan a case and all that follows from it."""
    technician = story.choose(plot.place.integrator, Role.TECHNICIAN)
    engineer = story.choose(plot.place.manufacturer, Role.ENGINEER)

    def open_it(session: Session, at: datetime) -> None:
        new = _new_case(story, plot)
        if plot.course is Course.CALL:
            case = cases.log_call(session, engineer, new, now=at)
        else:
            case = cases.escalate(session, technician, new, now=at)
        _plan_yes(story, case.id, at)
        if plot.course is Course.FRONT_LINE:
            _plan_front_line(story, plot, case.id, technician, at)
            return
        accepted_at = at + story.random.randrange(4, 26) * MINUTE
        if plot.course is not Course.CALL:
            story.plan(accepted_at, _accept(case.id, engineer))
        _plan_work(story, plot, case.id, (technician, engineer), accepted_at + 2 * MINUTE)

    story.plan(plot.opened_at, open_it)


def approve_all(story: Story, code: str, role: Role) -> Act:
    """A lead approves what waits."""
    lead = story.world.people_of(code, role)[0]

    def act(session: Session, at: datetime) -> None:
        waiting = [entry.id for entry in metered.awaiting_approval(session, lead, limit=200)]
        if waiting:
            metering.approve_time(session, lead, waiting, at)

    return act


def case_of(session: Session, case_id: int) -> SupportCase:
    """The case as it is now."""
    return session.get_one(SupportCase, case_id, populate_existing=True)


def _new_case(story: Story, plot: Plot) -> cases.NewCase:
    return cases.NewCase(
        system_id=story.world.systems[plot.installed.serial].id,
        severity=plot.trouble.severity,
        title=plot.trouble.title,
        symptom=plot.trouble.symptom,
        answers={"serial": plot.installed.serial, "firmware": "4.1", "leds": "red", "since": "this morning"},
        on_site_waiting=plot.course is Course.VISIT,
        nte_minor=45_000 if plot.place.plan is None else None,
        caller_name="The site" if plot.course is Course.CALL else "",
        caller_phone="+49 431 555 0199" if plot.course is Course.CALL else "",
    )


def _plan_yes(story: Story, case_id: int, at: datetime) -> None:
    """Whoever pays answers what was asked, within the hour."""

    def answer(session: Session, now: datetime) -> None:
        say_yes(story, session, case_id, now)

    story.plan(at + story.random.randrange(6, 20) * MINUTE, answer)


def say_yes(story: Story, session: Session, case_id: int, now: datetime) -> None:
    """Whoever pays for a case agrees to what was asked for and not answered yet."""
    for request in _open_requests(session, case_id):
        payers = [actor for actor in story.world.actors.values() if actor.organisation_id == request.payer_id]
        payer = next(actor for actor in payers if may_authorize_spending(actor))
        cases.authorize(session, payer, request.id, nte_minor=request.nte_minor, now=now)


def _open_requests(session: Session, case_id: int) -> list[AuthorizationRequest]:
    answered = (
        select(Authorization.request_id)
        .where(Authorization.case_id == case_id, Authorization.request_id.is_not(None))
        .union(select(AuthorizationRefusal.request_id).where(AuthorizationRefusal.case_id == case_id))
    )
    return list(
        session.scalars(
            select(AuthorizationRequest).where(
                AuthorizationRequest.case_id == case_id, AuthorizationRequest.id.not_in(answered)
            )
        )
    )


def _accept(case_id: int, actor: Actor) -> Act:
    def act(session: Session, at: datetime) -> None:
        case = case_of(session, case_id)
        if case.offered_to_id == actor.organisation_id:
            cases.accept_custody(session, actor, case, seq=case.seq, now=at)

    return act


def _plan_front_line(story: Story, plot: Plot, case_id: int, technician: Actor, at: datetime) -> None:
    """The technician finds it before the factory takes the case."""
    start = story.free_from(technician, at + 3 * MINUTE, plot.minutes)

    def take_it_back(session: Session, now: datetime) -> None:
        case = case_of(session, case_id)
        if case.offered_to_id is not None:
            cases.withdraw_offer(session, technician, case, seq=case.seq, now=now)

    story.plan(at + 2 * MINUTE, take_it_back)
    end = start + plot.minutes * MINUTE
    story.plan(end, _log(case_id, technician, plot, start, mode="on_site"))
    _plan_end(story, plot, case_id, technician, end + 2 * MINUTE)


def _plan_work(story: Story, plot: Plot, case_id: int, people: tuple[Actor, Actor], at: datetime) -> None:
    technician, engineer = people
    start = story.free_from(engineer, at, plot.minutes)
    end = start + plot.minutes * MINUTE
    story.plan(end, _log(case_id, engineer, plot, start, mode="phone" if plot.course is Course.CALL else "remote"))
    if plot.course is Course.QUESTION:
        end = _plan_question(story, case_id, people, end)
    if plot.course is Course.VISIT:
        end = _plan_visit(story, plot, case_id, people, end)
        _plan_end(story, plot, case_id, technician, end)
    else:
        _plan_end(story, plot, case_id, engineer, end + 3 * MINUTE)


def _plan_question(story: Story, case_id: int, people: tuple[Actor, Actor], at: datetime) -> datetime:
    technician, engineer = people

    def ask(session: Session, now: datetime) -> None:
        case = case_of(session, case_id)
        question = "Which firmware does the second controller run, and is its light green?"
        cases.ask_information(session, engineer, case, question=question, seq=case.seq, now=now)

    def answer(session: Session, now: datetime) -> None:
        case = case_of(session, case_id)
        cases.answer_information(
            session, technician, case, answer="4.1 as well; the light is green.", seq=case.seq, now=now
        )

    answered_at = at + story.random.randrange(15, 50) * MINUTE
    story.plan(at + MINUTE, ask)
    story.plan(answered_at, answer)
    return answered_at + 4 * MINUTE


def _plan_visit(story: Story, plot: Plot, case_id: int, people: tuple[Actor, Actor], at: datetime) -> datetime:
    technician, engineer = people

    def hand_back(session: Session, now: datetime) -> None:
        case = case_of(session, case_id)
        reason = "Please measure at the lock and swap the board if it is below 11 V."
        cases.hand_back(session, engineer, case, reason=reason, new_information=True, seq=case.seq, now=now)

    taken_at = at + story.random.randrange(8, 30) * MINUTE
    story.plan(at + MINUTE, hand_back)
    story.plan(taken_at, _accept(case_id, technician))
    start = story.free_from(technician, taken_at + 5 * MINUTE, 60)
    story.plan(start + 60 * MINUTE, _log(case_id, technician, plot, start, mode="on_site", minutes=60))
    return start + 64 * MINUTE


def _log(case_id: int, actor: Actor, plot: Plot, start: datetime, *, mode: str, minutes: int | None = None) -> Act:
    def act(session: Session, at: datetime) -> None:
        case = case_of(session, case_id)
        if case.state == "closed":
            return
        work = Work(mode, case.task_class, plot.trouble.done)
        ended_at = start + (minutes or plot.minutes) * MINUTE
        metering.enter_time(session, actor, case, work, started_at=start, ended_at=ended_at, now=max(at, ended_at))
        note = cases.NewNote(plot.trouble.done, audience=Audience.COMPANIES)
        cases.add_note(session, actor, case, note, now=at)

    return act


def _plan_end(story: Story, plot: Plot, case_id: int, resolver: Actor, at: datetime) -> None:
    answerer = _other_side(story, plot, resolver)

    def resolve(session: Session, now: datetime) -> None:
        case = case_of(session, case_id)
        if case.holder_id != resolver.organisation_id or case.state != "open":
            return
        resolving = cases.Resolving(
            cause=plot.trouble.cause, last_action=plot.trouble.last_action, summary=plot.trouble.done
        )
        cases.resolve(session, resolver, case, resolving, seq=case.seq, now=now)

    def confirm(session: Session, now: datetime) -> None:
        case = case_of(session, case_id)
        if case.state == "resolved":
            cases.confirm(session, answerer, case, seq=case.seq, now=now)

    story.plan(at, resolve)
    story.plan(at + story.random.randrange(60, 1500) * MINUTE, confirm)


def _other_side(story: Story, plot: Plot, resolver: Actor) -> Actor:
    factory = story.world.organisations[plot.place.manufacturer].id
    if resolver.organisation_id == factory:
        return story.world.people_of(plot.place.integrator, Role.SERVICE_MANAGER)[0]
    return story.world.people_of(plot.place.manufacturer, Role.SUPPORT_LEAD)[0]
