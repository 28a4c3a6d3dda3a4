"""The timer and the entries: one timer a person, no overlap, correction by adding, approval by another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.cases.models import SupportCase
from portal.db import Scope, open_session
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.metering import actions, queries
from portal.metering.actions import Work
from portal.metering.models import TimeApproval, TimeEntry
from tests.conftest import CommittedDatabase
from tests.support.builders import opened_case
from tests.support.cast import NOW, Cast, build_cast, everything

MINUTE = timedelta(minutes=1)
WORK = Work("remote", "support", "Read the controller's log")


@pytest.fixture
def case(work_session: Session, cast: Cast) -> SupportCase:
    opened = opened_case(work_session, cast)
    work_session.commit()
    return opened


def logged(session: Session, cast: Cast, case: SupportCase, *, start: int = -60, end: int = -30) -> TimeEntry:
    return actions.enter_time(
        session, cast.ana, case, WORK, started_at=NOW + start * MINUTE, ended_at=NOW + end * MINUTE, now=NOW
    )


def test_timer_becomes_an_entry_when_it_stops(web_session, cast: Cast, case: SupportCase) -> None:
    session = web_session(Scope(cast.ana.organisation_id, cast.ana.person_id))
    actions.start_timer(session, cast.ana, case, mode="remote", task_class="support", now=NOW)
    session.commit()
    entry = actions.stop_timer(session, cast.ana, WORK, now=NOW + 12 * MINUTE)
    session.commit()
    assert (entry.seconds, entry.person_name, entry.audience, entry.source) == (720, "Ana", "customer", "timer")
    assert queries.running_work(session, cast.ana) is None


def test_second_click_finds_the_running_timer(work_session: Session, cast: Cast, case: SupportCase) -> None:
    first = actions.start_timer(work_session, cast.ana, case, mode="remote", task_class="support", now=NOW)
    again = actions.start_timer(work_session, cast.ana, case, mode="phone", task_class="support", now=NOW + MINUTE)
    assert (again.started_at, again.mode) == (first.started_at, "remote")


def test_timer_is_refused_when_it_runs_on_another_case(work_session: Session, cast: Cast, case: SupportCase) -> None:
    actions.start_timer(work_session, cast.ana, case, mode="remote", task_class="support", now=NOW)
    other = opened_case(work_session, cast)
    with pytest.raises(Conflict):
        actions.start_timer(work_session, cast.ana, other, mode="remote", task_class="support", now=NOW)


def test_switch_logs_the_one_and_starts_the_other(work_session: Session, cast: Cast, case: SupportCase) -> None:
    other = opened_case(work_session, cast)
    actions.start_timer(work_session, cast.ana, case, mode="remote", task_class="support", now=NOW)
    entry, timer = actions.switch_timer(work_session, cast.ana, WORK, other, now=NOW + 5 * MINUTE)
    assert (entry.case_id, entry.ended_at) == (case.id, timer.started_at)
    assert timer.case_id == other.id


def test_timer_runs_without_a_case_until_the_call_is_saved(
    work_session: Session, cast: Cast, case: SupportCase
) -> None:
    actions.start_timer(work_session, cast.ana, None, mode="phone", task_class="support", now=NOW)
    with pytest.raises(Conflict, match="no case yet"):
        actions.stop_timer(work_session, cast.ana, WORK, now=NOW + MINUTE)
    actions.attach_timer(work_session, cast.ana, case, NOW + 2 * MINUTE)
    entry = actions.stop_timer(work_session, cast.ana, WORK, now=NOW + 3 * MINUTE)
    assert entry.seconds == 180


def test_forgotten_timer_stops_at_the_named_instant(work_session: Session, cast: Cast, case: SupportCase) -> None:
    actions.start_timer(work_session, cast.ana, case, mode="remote", task_class="support", now=NOW)
    entry = actions.stop_timer(work_session, cast.ana, WORK, now=NOW + timedelta(hours=14), ended_at=NOW + 40 * MINUTE)
    assert entry.seconds == 2400


def test_timer_stays_when_the_note_is_missing(work_session: Session, cast: Cast, case: SupportCase) -> None:
    actions.start_timer(work_session, cast.ana, case, mode="remote", task_class="support", now=NOW)
    with pytest.raises(Invalid) as refused:
        actions.stop_timer(work_session, cast.ana, Work("remote", "support", " "), now=NOW + MINUTE)
    assert set(refused.value.fields) == {"note"}
    assert queries.running_work(work_session, cast.ana) is not None


def test_discarded_timer_logs_nothing(work_session: Session, cast: Cast, case: SupportCase) -> None:
    actions.start_timer(work_session, cast.ana, case, mode="remote", task_class="support", now=NOW)
    actions.discard_timer(work_session, cast.ana)
    actions.discard_timer(work_session, cast.ana)
    assert everything(work_session, "time_entry") == []


def test_leavers_timer_ends_as_of_leaving_and_is_flagged(work_session: Session, cast: Cast, case: SupportCase) -> None:
    actions.start_timer(work_session, cast.ana, case, mode="remote", task_class="support", now=NOW)
    for _ in range(2):
        actions.stop_timer_of_leaver(
            work_session,
            person_id=cast.ana.person_id,
            organisation_id=cast.factory.id,
            as_of=NOW + 20 * MINUTE,
        )
    (entry,) = everything(work_session, "time_entry")
    assert (entry["seconds"], entry["flag"]) == (1200, actions.AS_OF_LEAVING)


@pytest.mark.parametrize("start", [-45, -31, -60, -90])
def test_overlap_is_refused_at_the_field(work_session: Session, cast: Cast, case: SupportCase, start: int) -> None:
    logged(work_session, cast, case, start=-60, end=-30)
    with pytest.raises(Invalid) as refused:
        logged(work_session, cast, case, start=start, end=-20)
    assert set(refused.value.fields) == {"started_at"}
    assert len(everything(work_session, "time_entry")) == 1


def test_entries_may_touch_and_two_people_may_overlap(work_session: Session, cast: Cast, case: SupportCase) -> None:
    logged(work_session, cast, case, start=-60, end=-30)
    logged(work_session, cast, case, start=-30, end=-10)
    actions.enter_time(
        work_session, cast.eli, case, WORK, started_at=NOW - 60 * MINUTE, ended_at=NOW - 30 * MINUTE, now=NOW
    )
    assert len(everything(work_session, "time_entry")) == 3


@pytest.mark.parametrize(
    ("who", "error"), [("bea", NotAllowed), ("fay", NotAllowed), ("sam", NotFound), ("eve", NotFound)]
)
def test_time_is_refused_from_strangers_and_other_roles(
    work_session: Session, cast: Cast, case: SupportCase, who: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        actions.enter_time(work_session, getattr(cast, who), case, WORK, started_at=NOW - MINUTE, ended_at=NOW, now=NOW)


def test_correction_reverses_and_adds(work_session: Session, cast: Cast, case: SupportCase) -> None:
    wrong = logged(work_session, cast, case)
    right = actions.correct_entry(
        work_session,
        cast.ana,
        wrong.id,
        Work("phone", "support", "Called the site"),
        started_at=NOW - 60 * MINUTE,
        ended_at=NOW - 40 * MINUTE,
        reason="Phone, and shorter",
        now=NOW,
    )
    states = queries.entries_of_case(work_session, cast.ana, case.id)
    assert [(state.entry.id, state.is_live) for state in states] == [(wrong.id, False), (right.id, True)]
    assert (right.root_id, right.revision, right.seconds) == (wrong.id, 1, 1200)


def test_second_correction_of_the_same_entry_is_refused(work_session: Session, cast: Cast, case: SupportCase) -> None:
    wrong = logged(work_session, cast, case)
    actions.reverse_entry(work_session, cast.ana, wrong.id, reason="Twice typed", now=NOW)
    with pytest.raises(Conflict):
        actions.reverse_entry(work_session, cast.ana, wrong.id, reason="Twice typed", now=NOW)
    logged(work_session, cast, case)


def test_reversal_needs_a_reason(work_session: Session, cast: Cast, case: SupportCase) -> None:
    wrong = logged(work_session, cast, case)
    with pytest.raises(Invalid) as refused:
        actions.reverse_entry(work_session, cast.ana, wrong.id, reason=" ", now=NOW)
    assert set(refused.value.fields) == {"reason"}


def test_approval_by_the_lead_counts_once(web_session, work_session: Session, cast: Cast, case: SupportCase) -> None:
    entry = logged(work_session, cast, case)
    work_session.commit()
    session = web_session(Scope(cast.leo.organisation_id, cast.leo.person_id))
    assert [each.id for each in queries.awaiting_approval(session, cast.leo)] == [entry.id]
    assert actions.approve_time(session, cast.leo, [entry.id], NOW) == 1
    assert actions.approve_time(session, cast.leo, [entry.id], NOW) == 0
    session.commit()
    assert queries.awaiting_approval(session, cast.leo) == []
    jobs = [row for row in everything(work_session, "procrastinate_jobs") if row["task_name"] == "time_changed"]
    assert [row["args"] for row in jobs] == [{"case_id": case.id}]


@pytest.mark.parametrize(
    ("who", "error"), [("ana", NotAllowed), ("eli", NotAllowed), ("mia", NotFound), ("eve", NotFound)]
)
def test_approval_is_refused_from_others(
    work_session: Session, cast: Cast, case: SupportCase, who: str, error: type[Exception]
) -> None:
    entry = logged(work_session, cast, case)
    with pytest.raises(error):
        actions.approve_time(work_session, getattr(cast, who), [entry.id], NOW)


def test_worker_no_longer_corrects_what_is_approved(work_session: Session, cast: Cast, case: SupportCase) -> None:
    entry = logged(work_session, cast, case)
    actions.approve_time(work_session, cast.leo, [entry.id], NOW)
    with pytest.raises(NotAllowed):
        actions.reverse_entry(work_session, cast.ana, entry.id, reason="Wrong", now=NOW)
    actions.reverse_entry(work_session, cast.leo, entry.id, reason="Wrong", now=NOW)


def test_database_refuses_approval_by_the_worker(work_session: Session, cast: Cast, case: SupportCase) -> None:
    entry = logged(work_session, cast, case)
    work_session.add(
        TimeApproval(
            case_id=case.id,
            manufacturer_id=case.manufacturer_id,
            integrator_id=case.integrator_id,
            customer_id=case.customer_id,
            entry_id=entry.id,
            worker_id=cast.ana.person_id,
            approved_by=cast.ana.person_id,
            approved_at=NOW,
        )
    )
    with pytest.raises(IntegrityError, match="by_another"):
        work_session.flush()


def test_customer_reads_support_time_only(work_session: Session, cast: Cast, case: SupportCase) -> None:
    logged(work_session, cast, case)
    actions.enter_time(
        work_session,
        cast.ana,
        case,
        Work("phone", "how_to", "Explained the menu"),
        started_at=NOW - 20 * MINUTE,
        ended_at=NOW - 10 * MINUTE,
        now=NOW,
    )
    assert [state.entry.task_class for state in queries.entries_of_case(work_session, cast.bea, case.id)] == ["support"]
    assert len(queries.entries_of_case(work_session, cast.tom, case.id)) == 2


def test_one_of_two_racing_entries_wins(committed_database: CommittedDatabase) -> None:
    with open_session(committed_database.work_engine) as session:
        cast = build_cast(session)
        case = opened_case(session, cast)
        session.commit()
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def log_time() -> None:
        with open_session(committed_database.work_engine) as session:
            mine = session.get(SupportCase, case.id)
            assert mine is not None
            barrier.wait()
            try:
                actions.enter_time(session, cast.ana, mine, WORK, started_at=NOW - 30 * MINUTE, ended_at=NOW, now=NOW)
                session.commit()
                outcomes.append("logged")
            except Invalid:
                outcomes.append("refused")

    threads = [threading.Thread(target=log_time) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["logged", "refused"]
    with open_session(committed_database.work_engine) as session:
        assert session.scalar(text("SELECT count(*) FROM time_entry")) == 1


def sessions_of(web_session: Callable[[Scope | None], Session], cast: Cast, name: str) -> Session:
    actor = getattr(cast, name)
    return web_session(Scope(actor.organisation_id, actor.person_id))


@pytest.mark.parametrize("stranger", ["sam", "eve", "bob"])
def test_row_security_hides_time_from_strangers(
    web_session, work_session: Session, cast: Cast, case: SupportCase, stranger: str
) -> None:
    logged(work_session, cast, case)
    work_session.commit()
    session = sessions_of(web_session, cast, stranger)
    assert session.scalar(text("SELECT count(*) FROM time_entry")) == 0
    assert session.scalar(text("SELECT count(*) FROM time_occupancy")) == 0
