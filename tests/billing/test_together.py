"""Cases with a coverage decision, a yes up to an amount and included minutes: billed together as each by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from portal.billing.actions import bill_case
from portal.billing.actions.batch import bill_closed
from portal.billing.books import check_books
from portal.billing.plain import plain_cases
from portal.cases import actions as cases
from portal.cases.models import SupportCase
from portal.config import Settings
from portal.worker.registry import Edges
from portal.worker.running import run_pending
from tests.support.beginnings import begins_with
from tests.support.billed import BILLED_AT, open_books, paid_case, settled, worked
from tests.support.cases import accepted
from tests.support.cast import Cast, hours_later

# Without ids of what is made; an explanation names the entries, which are the same both times.
_BILLED = {
    "billing_cut": "id",
    "bill_item": "id,cut_id",
    "bill_line": "id,bill_item_id",
    "bill_segment": "id,line_id",
    "share": "id,bill_item_id",
    "authorization_balance": "",
    "grant_balance": "",
    "grant_draw": "id,bill_item_id",
    "posting": "id,transaction_id,document_id,account_id",
}


def closed_cases(session: Session, cast: Cast) -> list[int]:
    """A closed case of each kind; what the integrator pays, and hours of a site, are billed by themselves."""
    open_books(session, cast)
    made = [
        _case(session, cast, number, *kind)
        for number, kind in enumerate(
            (
                # Hours are included in the daytime only, so this one comes first.
                (_planned_case, None, 40, "configuration"),
                (paid_case, 100_000, 65, "configuration"),
                (paid_case, 10_000, 120, "configuration"),
                (paid_case, None, 60, "configuration"),
                (paid_case, 100_000, 60, "firmware_defect"),
                (paid_case, 100_000, 60, "installation"),
                (paid_case, 100_000, 0, "configuration"),
            )
        )
    ]
    return sorted(case.id for case in made)


pytestmark = begins_with(closed_cases)


@pytest.fixture
def closed(begun: list[int]) -> list[int]:
    return begun


def _planned_case(session: Session, cast: Cast, *, nte_minor: int | None) -> SupportCase:
    return accepted(session, cast)


def _case(
    session: Session,
    cast: Cast,
    number: int,
    begin: Callable[..., SupportCase],
    nte_minor: int | None,
    minutes: int,
    cause: str,
) -> SupportCase:
    case = begin(session, cast, nte_minor=nte_minor)
    if minutes:
        worked(session, cast, case, minutes=minutes, start=hours_later(1 + 3 * number))
    actions = {"configuration": "remote_configuration", "firmware_defect": "firmware_update", "installation": "rewired"}
    settled(session, cast, case, cause=cause, last_action=actions[cause])
    cases.close_case(session, case.id, now=case.reopen_until)
    return case


def _rows(session: Session) -> dict[str, list[str]]:
    return {
        table: sorted(session.scalars(text(f"SELECT (to_jsonb(t) - '{{{ids}}}'::text[])::text FROM {table} t")))
        for table, ids in _BILLED.items()
    }


def _undone(session: Session, bill: Callable[[], object]) -> dict[str, list[str]]:
    """What billing writes; undone, so that another way can start from the same cases."""
    session.flush()
    with session.begin_nested() as tried:
        bill()
        session.flush()
        found = _rows(session)
        tried.rollback()
    session.expire_all()
    return found


def test_cases_are_billed_together_as_each_by_itself(work_session: Session, closed: Sequence[int]) -> None:
    now = BILLED_AT + timedelta(days=30)
    alone = _undone(work_session, lambda: [bill_case(work_session, case_id, now=now) for case_id in closed])
    together = _undone(work_session, lambda: bill_closed(work_session, closed, now=now))
    assert together == alone
    assert len(alone["bill_item"]) == len(closed)
    assert {table for table, rows in alone.items() if not rows} == set()


def test_what_is_plain_needs_no_hours_of_its_site(work_session: Session, closed: Sequence[int]) -> None:
    now = BILLED_AT + timedelta(days=30)
    plain = plain_cases(work_session, closed, now=now)
    assert len(plain) == len(closed) - 1
    bill_closed(work_session, closed, now=now)
    assert check_books(work_session) == []


def test_the_job_of_one_case_bills_those_that_wait_with_it(
    work_session: Session, closed: Sequence[int], run_jobs: Callable[..., list[str]]
) -> None:
    now = BILLED_AT + timedelta(days=30)
    work_session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name <> 'bill_cut'"))
    work_session.commit()
    # The second is of the case that the hours of its site make one to be billed by itself.
    assert run_jobs(now).count("bill_cut") == 2
    assert _billed(work_session) == set(closed)
    assert check_books(work_session) == []


def test_a_case_that_cannot_be_billed_keeps_no_other_waiting(
    work_session: Session, closed: Sequence[int], settings: Settings, work_engine: Engine
) -> None:
    now = BILLED_AT + timedelta(days=30)
    bad = closed[2]
    work_session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name <> 'bill_cut'"))
    # Opened before there was any policy: what it costs is not known.
    work_session.execute(text("UPDATE support_case SET opened_at = '2001-01-01' WHERE id = :id"), {"id": bad})
    work_session.commit()
    names = run_pending(Edges(settings, work_engine, lambda: now), raise_errors=False)
    # By themselves until it is the turn of the one that cannot be; then all that are left together.
    assert names.count("bill_cut") < len(closed)
    assert _billed(work_session) == set(closed) - {bad}
    failed = work_session.execute(text("SELECT name, is_final FROM job_failure")).all()
    assert failed == [("bill_cut", True)]


def _billed(session: Session) -> set[int]:
    return set(session.scalars(text("SELECT case_id FROM bill_item")))
