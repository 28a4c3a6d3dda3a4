"""Work that may begin only when something is there: the timer and a new entry wait, an emergency does not."""

from __future__ import annotations

import pytest

from portal.cases import actions
from portal.errors import RuleBroken
from portal.metering.actions import Work, enter_time, start_timer, stop_timer
from tests.support.billed import open_books, said_yes
from tests.support.cases import accepted
from tests.support.cast import hours_later
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


def test_raised_to_an_emergency_it_goes_on(work_session, cast):
    case = gated(work_session, cast, "prepayment", "checklist")
    with pytest.raises(RuleBroken):
        start(work_session, cast, case)
    actions.change_severity(work_session, cast.ana, case, severity=1, seq=case.seq, now=hours_later(1), reason="Down.")
    assert start(work_session, cast, case).case_id == case.id
