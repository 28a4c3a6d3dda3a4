"""Hours left: opened once a month, promised in order of work time, drawn once, never below zero."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from portal.db import open_session
from portal.entitlement import queries
from portal.entitlement.actions import (
    draw_reserved,
    hold_hours,
    keep_promises,
    make_room,
    open_monthly_grants,
    open_plan,
    release_for_case,
)
from portal.entitlement.actions.promises import Held
from portal.entitlement.rules import Amount, Room, promises
from portal.errors import RuleBroken
from portal.rating.grants import Use
from tests.support.cases import escalated
from tests.support.cast import NOW, build_cast, everything, hours_later

HOUR = 3600


def work(*pieces: tuple[float, float]) -> list[tuple[datetime, int]]:
    """Pieces of work: hours after NOW, and how many hours long."""
    return [(hours_later(at), int(long * HOUR)) for at, long in pieces]


def reserve_for_case(session, case, pieces, *, now) -> int:
    """Promise the site's hours to pieces of work in order, as billing does by rating; the seconds not covered."""
    if not pieces:
        release_for_case(session, case, reason="no work", now=now)
        return 0
    span = pieces[0][0], pieces[-1][0]
    held = hold_hours(session, case, span)
    wanted = sum(seconds for _, seconds in pieces)
    made = planned(held, pieces)
    if sum(each.seconds for each in made) < wanted and make_room(session, case, held, after=span[0], now=now):
        held = hold_hours(session, case, span)
        made = planned(held, pieces)
    keep_promises(session, case, held, made, now=now)
    return wanted - sum(each.seconds for each in made)


def planned(held: Held, pieces):
    left = {each.grant.id: each.seconds + each.expired_seconds for each in held.available}
    uses = []
    for entry, (at, seconds) in enumerate(pieces, start=1):
        rest = seconds
        for each in held.available:
            taken = min(rest, left[each.grant.id])
            if taken and each.grant.starts_at <= at and (each.ends_at is None or at < each.ends_at):
                uses.append(Use(each.grant.id, entry, int(at.timestamp()), taken))
                left[each.grant.id] -= taken
                rest -= taken
    rooms = {
        each.grant.id: Room(Amount(each.seconds), expired=Amount(each.expired_seconds), expired_at=each.expired_at)
        for each in held.available
    }
    return promises(uses, rooms)


def balance(session) -> tuple[int, int]:
    session.expire_all()
    row = session.execute(text("SELECT sum(free_seconds), sum(reserved_seconds) FROM grant_balance")).one()
    return int(row[0]), int(row[1])


def test_month_is_opened_once_with_the_policys_minutes(work_session, cast):
    assert open_monthly_grants(work_session, NOW) == 1
    assert open_monthly_grants(work_session, NOW) == 0
    open_plan(work_session, cast.plan_choice.id, now=NOW)

    (grant,) = everything(work_session, "usage_grant")
    assert grant["granted_seconds"] == 2 * HOUR
    # March in Berlin begins at 23:00 UTC and ends with summer time.
    assert grant["starts_at"] == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert grant["expires_at"] == datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert open_monthly_grants(work_session, grant["expires_at"]) == 1


def test_plan_brings_its_standing_authorization_once(work_session, cast):
    for _ in range(2):
        open_plan(work_session, cast.plan_choice.id, now=NOW)

    (standing,) = everything(work_session, "standing_authorization")
    assert (standing["nte_incident_minor"], standing["nte_month_minor"]) == (30_000, 90_000)
    assert standing["signed_by"] == cast.bea.person_id


def test_work_is_promised_and_the_rest_is_told(work_session, cast):
    case = escalated(work_session, cast)
    left = reserve_for_case(work_session, case, work((1, 1)), now=hours_later(3))
    assert (left, balance(work_session)) == (0, (HOUR, HOUR))
    left = reserve_for_case(work_session, case, work((1, 1), (2, 1.5)), now=hours_later(4))

    assert (left, balance(work_session)) == (1800, (0, 2 * HOUR))
    assert [each.seconds for each in queries.reserved_for_case(work_session, case.id)] == [2 * HOUR]


def test_the_same_promises_again_change_nothing(work_session, cast):
    case = escalated(work_session, cast)
    for _ in range(2):
        reserve_for_case(work_session, case, work((1, 1)), now=hours_later(3))

    assert len(everything(work_session, "grant_reservation")) == 1
    assert everything(work_session, "reservation_release") == []


def test_reserving_again_without_work_gives_everything_back(work_session, cast):
    case = escalated(work_session, cast)
    reserve_for_case(work_session, case, work((1, 1)), now=hours_later(3))
    reserve_for_case(work_session, case, [], now=hours_later(4))

    assert balance(work_session) == (2 * HOUR, 0)


def test_earlier_work_goes_first_and_the_other_case_is_counted_again(work_session, cast):
    later, earlier = escalated(work_session, cast), escalated(work_session, cast)
    reserve_for_case(work_session, later, work((5, 2)), now=hours_later(8))
    assert reserve_for_case(work_session, earlier, work((1, 1)), now=hours_later(9)) == 0

    assert queries.reserved_for_case(work_session, later.id) == []
    assert balance(work_session) == (HOUR, HOUR)
    jobs = work_session.execute(text("SELECT args FROM procrastinate_jobs WHERE task_name = 'reserve_case_hours'"))
    assert [row.args["case_id"] for row in jobs] == [later.id]
    assert reserve_for_case(work_session, later, work((5, 2)), now=hours_later(9)) == HOUR


def test_later_work_takes_nothing_from_earlier_work(work_session, cast):
    first, second = escalated(work_session, cast), escalated(work_session, cast)
    reserve_for_case(work_session, first, work((1, 2)), now=hours_later(8))

    assert reserve_for_case(work_session, second, work((2, 1)), now=hours_later(9)) == HOUR
    assert balance(work_session) == (0, 2 * HOUR)


def test_work_outside_the_month_is_not_promised(work_session, cast):
    case = escalated(work_session, cast)
    pieces = [(NOW + timedelta(days=40), HOUR)]

    assert reserve_for_case(work_session, case, pieces, now=hours_later(1000)) == HOUR


def test_release_frees_everything(work_session, cast):
    case = escalated(work_session, cast)
    reserve_for_case(work_session, case, work((1, 1)), now=hours_later(3))

    assert release_for_case(work_session, case, reason="withdrawn", now=hours_later(4)) == HOUR
    assert release_for_case(work_session, case, reason="withdrawn", now=hours_later(4)) == 0
    assert balance(work_session) == (2 * HOUR, 0)


def test_more_than_there_is_cannot_be_drawn(work_session, cast):
    case = escalated(work_session, cast)
    (grant,) = everything(work_session, "usage_grant")
    with pytest.raises(RuleBroken):
        draw_reserved(work_session, case, bill_item_id=1, drawn={grant["id"]: Amount(3 * HOUR)}, now=hours_later(3))


def test_two_cases_are_not_promised_the_same_hour_at_once(committed_database):
    with open_session(committed_database.work_engine) as session:
        cast = build_cast(session)
        cases = [escalated(session, cast) for _ in range(4)]
        session.commit()
    start, left = threading.Barrier(len(cases)), []

    def reserve(case) -> None:
        with open_session(committed_database.work_engine) as session:
            start.wait()
            left.append(reserve_for_case(session, case, work((1, 1)), now=hours_later(3)))
            session.commit()

    threads = [threading.Thread(target=reserve, args=[case]) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(left) == [0, 0, HOUR, HOUR]
    with open_session(committed_database.work_engine) as session:
        assert balance(session) == (0, 2 * HOUR)


def test_more_than_there_is_cannot_be_promised(work_session, cast):
    case = escalated(work_session, cast)
    held = hold_hours(work_session, case, (hours_later(1), hours_later(1)))
    too_much = promises(
        [Use(held.available[0].grant.id, 1, int(hours_later(1).timestamp()), 9 * HOUR)],
        {held.available[0].grant.id: Room(Amount(9 * HOUR))},
    )
    with pytest.raises(RuleBroken):
        keep_promises(work_session, case, held, too_much, now=hours_later(3))
