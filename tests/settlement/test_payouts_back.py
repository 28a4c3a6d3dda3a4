"""A payout to the bank that the bank sends back: booked out and in again, and nobody's work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from portal.ledger.rules import Purpose
from portal.payments import handling
from portal.payments.queries import tie_out, unmatched_movements
from portal.settlement.reconciling import BANK_PATIENCE, find_differences
from tests.support.payments import balance_of, open_books


def test_a_payout_that_comes_back_is_booked_both_ways(work_engine, work_session, cast, gateway, standin) -> None:
    open_books(work_session, cast)
    work_session.commit()
    standin.control.fund(1_000, "eur")
    payout = standin.client().v1.payouts.create({"amount": 400, "currency": "eur"})
    # Movements carry the stand-in's clock.
    now = datetime.now(UTC)
    handling.import_movements(work_engine, gateway, now)
    assert balance_of(work_session, Purpose.BANK) == 400 - 1_000
    work_session.commit()
    standin.control.fail_payout(payout.id)
    handling.import_movements(work_engine, gateway, now)
    assert balance_of(work_session, Purpose.STRIPE) == -balance_of(work_session, Purpose.BANK) == 1_000
    assert ([tie.difference_minor for tie in tie_out(work_session)], unmatched_movements(work_session)) == ([0], [])
    # Only the top-up is waited for at the bank.
    assert find_differences(work_session, now=now + BANK_PATIENCE + timedelta(days=1)) == 1
