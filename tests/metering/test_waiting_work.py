"""Work that may begin only when something is there: the timer and a new entry wait, an emergency does not."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.billing.actions import reserve_hours
from portal.billing.queries import cases_to_prepay
from portal.cases import actions
from portal.cases.queries import paid_ahead
from portal.db import open_session
from portal.entitlement.actions import grant_pack
from portal.entitlement.models import GrantBalance, GrantReservation
from portal.entitlement.queries import decision_of, latest_coverage
from portal.errors import RuleBroken
from portal.metering.actions import Work, enter_time, start_timer, stop_timer
from tests.support.billed import open_books, said_yes
from tests.support.cases import accepted
from tests.support.cast import build_cast, hours_later
from tests.support.racing import second_of
from tests.support.versions import signed_policy

BEFORE = '[[rates]]\nmodes = ["travel"]'
DID = Work("remote", "support", "Looked into the door controller")


def gated(session, cast, *gates, **said):
    entry = f'[[entry]]\ndecision = "accept"\nrequires = {list(gates)}\n\n'.replace("'", '"')
    open_books(session, cast)
    signed_policy(session, cast, (BEFORE, entry + BEFORE))
    return accepted(session, cast, system_id=cast.plain_system.id, **said)


def start(session, cast, case, at=None):
    return start_timer(session, cast.ana, case, mode="remote", task_class="support", now=at or hours_later(1))


def enter(session, cast, case):
    span = {"started_at": hours_later(1), "ended_at": hours_later(2)}
    return enter_time(session, cast.ana, case, DID, **span, now=hours_later(2))


def test_neither_timer_nor_entry_begins_before_the_payers_yes(work_session, cast):
    case = gated(work_session, cast, "authorization")
    for act in (start, enter):
        with pytest.raises(RuleBroken, match="the customer has said yes: ask for it on the case page"):
            act(work_session, cast, case)
    said_yes(work_session, cast, case, nte_minor=50_000)
    assert start(work_session, cast, case).case_id == case.id


def test_work_that_has_begun_is_logged_whatever_is_missing_now(work_session, cast):
    case = gated(work_session, cast, "authorization")
    said_yes(work_session, cast, case, nte_minor=50_000)
    start(work_session, cast, case)
    work_session.connection().exec_driver_sql("UPDATE authorization_balance SET left_minor = 0")
    assert stop_timer(work_session, cast.ana, DID, now=hours_later(2)).seconds == 3_600


@pytest.mark.parametrize("gate", ["authorization", "purchase_order", "prepayment"])
def test_emergency_does_not_wait(work_session, cast, gate):
    case = gated(work_session, cast, gate, severity=1)
    assert start(work_session, cast, case).case_id == case.id
    enter(work_session, cast, case)


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [("prepayment", "paid in advance"), ("purchase_order", "purchase order with enough left")],
)
def test_sentence_names_what_is_missing(work_session, cast, gate, sentence):
    case = gated(work_session, cast, gate)
    with pytest.raises(RuleBroken, match=sentence):
        enter(work_session, cast, case)


ONE = ("incidents = 5", "incidents = 1")


def prepaid(session, cast, **said):
    """Two cases that wait to be paid in advance, and a pack that pays for one."""
    open_books(session, cast)
    entry = '[[entry]]\ndecision = "accept"\nrequires = ["prepayment"]\n\n'
    version = signed_policy(session, cast, (BEFORE, entry + BEFORE), ONE)
    cases = [accepted(session, cast, system_id=cast.plain_system.id, **said) for _ in range(2)]
    grant_pack(
        session,
        site_id=cast.plain_site.id, integrator_id=cast.integrator.id, policy_version_id=version.id,
        pack_code="incidents_5", quantity=1, bought_at=hours_later(0.6), source="checkout:1", now=hours_later(0.6),
    )  # fmt: skip
    return cases


def test_an_incident_is_promised_to_one_case_and_pays_for_that_alone(work_session, cast):
    one, other = prepaid(work_session, cast)
    with pytest.raises(RuleBroken, match="paid in advance"):
        start(work_session, cast, one)
    assert cases_to_prepay(work_session, hours_later(0.7)) == [one.id, other.id]
    for case in (one, other, one):
        reserve_hours(work_session, case.id, now=hours_later(0.7))
    assert paid_ahead(work_session, one) == "One case of Five support cases is promised to this case."
    assert (paid_ahead(work_session, other), cases_to_prepay(work_session, hours_later(0.7))) == ("", [])
    assert start(work_session, cast, one).case_id == one.id
    with pytest.raises(RuleBroken, match="paid in advance"):
        enter(work_session, cast, other)
    # It stays the case's own when its cover is decided anew, and when it is worked on.
    actions.change_severity(work_session, cast.ana, one, severity=3, seq=one.seq, now=hours_later(1), reason="Less.")
    assert decision_of(latest_coverage(work_session, one.id)).takes_incident
    stop_timer(work_session, cast.ana, DID, now=hours_later(2))
    reserve_hours(work_session, one.id, now=hours_later(2))
    assert paid_ahead(work_session, one)


def test_two_cases_never_get_the_same_incident(committed_database):
    with open_session(committed_database.work_engine) as session:
        cases = [case.id for case in prepaid(session, build_cast(session))]
        session.commit()
    assert not second_of(
        committed_database.work_engine,
        *(lambda session, case_id=case_id: reserve_hours(session, case_id, now=hours_later(0.7)) for case_id in cases),
    )
    with open_session(committed_database.work_engine) as session:
        held = [row.case_id for row in session.scalars(select(GrantReservation))]
        balance = session.scalars(select(GrantBalance).where(GrantBalance.free_seconds == 0)).one()
    assert (held, balance.free_incidents, balance.reserved_incidents) == (cases[:1], 0, 1)


def test_raised_to_an_emergency_it_goes_on(work_session, cast):
    case = gated(work_session, cast, "prepayment", "checklist")
    with pytest.raises(RuleBroken):
        start(work_session, cast, case)
    actions.change_severity(work_session, cast.ana, case, severity=1, seq=case.seq, now=hours_later(1), reason="Down.")
    assert start(work_session, cast, case).case_id == case.id
