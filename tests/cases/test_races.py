"""Two people act at once on two real connections: one acts, the other is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from portal.cases import actions
from portal.cases.models import SupportCase
from portal.db import open_session
from portal.errors import Conflict, Stale
from tests.support.cases import escalated, event_kinds, new_case, scope_of
from tests.support.cast import NOW, build_cast, everything, hours_later


@pytest.fixture
def live(committed_database):
    """A committed database with the cast and one offered case."""
    with open_session(committed_database.work_engine) as session:
        cast = build_cast(session)
        case = escalated(session, cast)
        session.commit()
    return committed_database, cast, case


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each act came to when they start together: its value or its error."""
    start, results = threading.Barrier(len(acts)), [None] * len(acts)

    def run(index: int, act: Callable[[], object]) -> None:
        start.wait()
        try:
            results[index] = act()
        except Exception as error:  # noqa: BLE001 - the test looks at whatever it was
            results[index] = error

    threads = [threading.Thread(target=run, args=(index, act)) for index, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def page(database, actor, act: Callable[[Session, SupportCase], object], case_id: int) -> Callable[[], object]:
    """An act as a page does it: its own connection, row security, one commit."""

    def run() -> object:
        with open_session(database.web_engine, scope_of(actor)) as session:
            done = act(session, session.get_one(SupportCase, case_id))
            session.commit()
            return done

    return run


def test_one_engineer_wins_when_two_accept(live):
    database, cast, case = live

    def accept(actor):
        return page(
            database,
            actor,
            lambda session, shown: actions.accept_custody(session, actor, shown, seq=case.seq, now=hours_later(0.5)),
            case.id,
        )

    results = at_once(accept(cast.ana), accept(cast.eli))

    losers = [result for result in results if isinstance(result, Exception)]
    assert [type(loser) for loser in losers] == [Stale]
    assert losers[0].since[-1].what == "accepted the case"
    with open_session(database.work_engine) as session:
        assert len(everything(session, "custody_acceptance")) == 2
        assert event_kinds(session, case).count("accepted") == 1


def test_offer_is_accepted_or_withdrawn_never_both(live):
    database, cast, case = live
    accept = page(
        database,
        cast.ana,
        lambda session, shown: actions.accept_custody(session, cast.ana, shown, seq=case.seq, now=hours_later(0.5)),
        case.id,
    )
    withdraw = page(
        database,
        cast.tom,
        lambda session, shown: actions.withdraw_offer(session, cast.tom, shown, seq=case.seq, now=hours_later(0.5)),
        case.id,
    )
    results = at_once(accept, withdraw)

    assert sum(isinstance(result, Conflict) for result in results) == 1


def test_request_is_authorized_or_refused_never_both(live):
    database, cast, _ = live
    with open_session(database.work_engine) as session:
        case = actions.escalate(session, cast.tom, new_case(cast, system_id=cast.plain_system.id), now=NOW)
        request_id = everything(session, "authorization_request")[-1]["id"]
        session.commit()
    later = hours_later(1)
    yes = page(
        database,
        cast.bea,
        lambda session, _: actions.authorize(session, cast.bea, request_id, nte_minor=30_000, now=later),
        case.id,
    )
    no = page(
        database,
        cast.bea,
        lambda session, _: actions.refuse_authorization(session, cast.bea, request_id, reason="No", now=later),
        case.id,
    )
    results = at_once(yes, no)

    assert sum(isinstance(result, Conflict) for result in results) == 1
    with open_session(database.work_engine) as session:
        assert len(everything(session, "authorization")) + len(everything(session, "authorization_refusal")) == 1


def test_cases_opened_at_once_have_different_numbers(live):
    database, cast, case = live

    def escalate():
        return page(
            database,
            cast.tom,
            lambda session, _: actions.escalate(session, cast.tom, new_case(cast), now=NOW).number,
            case.id,
        )

    results = at_once(escalate(), escalate(), escalate())

    assert sorted(results) == [case.number + 1, case.number + 2, case.number + 3]


def test_months_standing_limit_holds_when_cases_take_it_at_once(live):
    database, cast, _ = live
    late = hours_later(9)

    def escalate():
        with open_session(database.work_engine) as session:
            actions.escalate(session, cast.tom, new_case(cast), now=late)
            session.commit()

    results = at_once(*[escalate] * 4)

    with open_session(database.work_engine) as session:
        (month,) = everything(session, "standing_month")
        given = [row["nte_minor"] for row in everything(session, "authorization")]
        asked = everything(session, "authorization_request")
    assert results == [None] * 4
    assert month["used_minor"] == sum(given) == 90_000
    assert len(asked) == 1
