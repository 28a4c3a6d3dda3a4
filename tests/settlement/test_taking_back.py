"""A party that owes its net after it was paid: its transfer is taken back, once, whatever breaks on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.ledger.rules import Purpose
from portal.payments import calls, handling
from portal.payments.models import Intent
from portal.payments.provider import Unknown
from portal.payments.queries import tie_out, unmatched_movements
from portal.settlement import rules
from portal.settlement.books import settlement_problems
from portal.settlement.rules import INVOICED, TRANSFERRED, Terms
from tests.support.payments import balance_of, connected, earn, open_books
from tests.support.settling import NEXT_CLOSED_AT, REVIEWED_AT, approved_and_disposed, close, statement_of

OWED = 6_000
NEXT_REVIEWED_AT = NEXT_CLOSED_AT + timedelta(days=11)


@pytest.mark.parametrize(
    ("net", "minimum", "left", "wanted"),
    [
        (-4_000, 0, 4_000, [(TRANSFERRED, -4_000)]),
        (-4_000, 0, 3_999, [(INVOICED, -4_000)]),
        (-4_000, 5_000, 9_000, [("carried", -4_000)]),
        (4_000, 0, 9_000, [(TRANSFERRED, 4_000)]),
    ],
)
def test_what_is_owed_is_taken_back_where_a_transfer_still_holds_it(net, minimum, left, wanted) -> None:
    parts = rules.plan_parts(
        net, {}, Terms(minimum), account_state="active", is_operator=False, may_take_back=lambda minor: minor <= left
    )
    assert [(part.kind, part.amount_minor) for part in parts] == wanted


@pytest.fixture
def owing(work_engine, work_session, cast, gateway, standin):
    """April's statement of the integrator, which owes 60.00 after 100.00 were transferred for March."""
    standin.control.fund(100_000, "eur")
    connected(work_session, gateway, standin, cast.integrator)
    open_books(work_session, cast)
    earn(work_session, cast, 10_000, 1)
    work_session.commit()
    march = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    assert approved_and_disposed(work_session, cast, march) == {"transferred": 10_000}
    work_session.commit()
    paid = work_session.scalars(select(Intent).where(Intent.kind == "transfer")).one()
    assert calls.perform(work_engine, gateway, paid.id, REVIEWED_AT) == "succeeded"
    earn(work_session, cast, -OWED, 2, now=REVIEWED_AT)
    work_session.commit()
    return statement_of(work_session, close(work_engine, cast, NEXT_CLOSED_AT), cast.integrator.id)


@pytest.fixture
def reversal(work_session, cast, owing):
    assert approved_and_disposed(work_session, cast, owing, NEXT_REVIEWED_AT) == {"transferred": -OWED}
    work_session.commit()
    return work_session.scalars(select(Intent).where(Intent.kind == "transfer_reversal")).one()


def test_a_transfer_is_taken_back_when_two_people_say_so(work_engine, work_session, gateway, standin, reversal) -> None:
    assert balance_of(work_session, Purpose.IN_TRANSFER) == OWED
    assert calls.perform(work_engine, gateway, reversal.id, NEXT_REVIEWED_AT) == "succeeded"
    assert balance_of(work_session, Purpose.IN_TRANSFER) == balance_of(work_session, Purpose.PAYABLE) == 0
    assert gateway.available_balance() == {"EUR": 100_000 - 10_000 + OWED}
    handling.import_movements(work_engine, gateway, NEXT_REVIEWED_AT)
    (tied,) = tie_out(work_session)
    assert (tied.difference_minor, unmatched_movements(work_session)) == (0, [])
    assert settlement_problems(work_session) == []


def test_a_lost_answer_takes_nothing_back_twice(work_engine, work_session, gateway, standin, reversal) -> None:
    standin.control.fault("lose_answer", method="POST", path="/v1/transfers/.*/reversals")
    with pytest.raises(Unknown):
        calls.perform(work_engine, gateway, reversal.id, NEXT_REVIEWED_AT)
    # Days later the key may be forgotten: what was done is looked up.
    assert calls.perform(work_engine, gateway, reversal.id, NEXT_REVIEWED_AT + timedelta(days=3)) == "succeeded"
    assert gateway.available_balance() == {"EUR": 100_000 - 10_000 + OWED}


def test_a_refused_reversal_stays_under_way_with_its_reason(work_engine, work_session, cast, gateway, reversal) -> None:
    taken = gateway.reverse_transfer(
        work_session.scalars(select(Intent.provider_object_id).where(Intent.kind == "transfer")).one(),
        {"amount": 8_000}, "another-key",
    )  # fmt: skip
    assert taken
    assert calls.perform(work_engine, gateway, reversal.id, NEXT_REVIEWED_AT) == "failed"
    work_session.refresh(reversal)
    assert "greater than the unreversed amount" in reversal.failure
    assert balance_of(work_session, Purpose.IN_TRANSFER) == OWED
    assert settlement_problems(work_session) == []


def test_what_was_taken_back_cannot_be_taken_back_again(work_engine, work_session, cast, gateway, reversal) -> None:
    calls.perform(work_engine, gateway, reversal.id, NEXT_REVIEWED_AT)
    earn(work_session, cast, -9_000, 3, now=NEXT_REVIEWED_AT)
    work_session.commit()
    june = NEXT_CLOSED_AT + timedelta(days=31)
    statement = statement_of(work_session, close(work_engine, cast, june), cast.integrator.id)
    assert approved_and_disposed(work_session, cast, statement, june + timedelta(days=11)) == {"invoiced": -9_000}
