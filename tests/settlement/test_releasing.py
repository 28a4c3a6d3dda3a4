"""What was approved before its party had an account: it goes by itself, once, and never beside what holds it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.exc import IntegrityError

from portal.db import transaction
from portal.errors import Conflict
from portal.ledger.rules import Purpose
from portal.payments import calls, handling
from portal.payments.models import ConnectedAccount, Intent
from portal.settlement import cockpit, holding, queries, releasing
from portal.settlement.books import all_problems, settlement_problems
from portal.settlement.cash_needed import cash_needed
from portal.settlement.held.models import HeldTransfer, StillHeld
from portal.settlement.models import Disposition
from portal.settlement.selfbilling.models import DispositionTax
from tests.support.cast import build_cast
from tests.support.payments import balance_of, connected, earn, open_books
from tests.support.queued import queued
from tests.support.self_billing import agreed, both_details
from tests.support.settling import CLOSED_AT, NEXT_CLOSED_AT, REVIEWED_AT, approved_and_disposed, close, statement_of
from tests.web.support import money

READY_AT = REVIEWED_AT + timedelta(days=2)


@pytest.fixture
def statement(work_engine, work_session, cast):
    """125.00 for the integrator, approved by two people while it had no account."""
    open_books(work_session, cast)
    earn(work_session, cast, 10_000, 1)
    earn(work_session, cast, 2_500, 2)
    work_session.commit()
    made = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    assert approved_and_disposed(work_session, cast, made) == {"held": 12_500}
    work_session.commit()
    return made


@pytest.fixture
def account(work_session, cast, gateway, standin):
    """The integrator's account, ready by now."""

    def open_it() -> str:
        standin.control.fund(100_000, "eur")
        found = connected(work_session, gateway, standin, cast.integrator)
        work_session.commit()
        return found

    return open_it


def go(engine, now=READY_AT) -> int:
    return releasing.transfer_all_held(engine, livemode=False, now=now)


def held_and_under_way(session) -> tuple[int, int]:
    return -balance_of(session, Purpose.HELD), -balance_of(session, Purpose.IN_TRANSFER)


def in_line(session) -> list[int]:
    return list(session.scalars(select(StillHeld.disposition_id)))


def test_it_goes_once_when_the_account_is_ready_and_is_on_no_later_statement(
    work_engine, work_session, cast, gateway, standin, statement, account
):
    assert go(work_engine) == 0
    # A month's end leaves it to its account.
    close(work_engine, cast, NEXT_CLOSED_AT)
    assert held_and_under_way(work_session) == (12_500, 0)
    at_stripe = account()
    assert (go(work_engine), go(work_engine)) == (1, 0)
    assert held_and_under_way(work_session) == (0, 12_500)
    (demand,) = cash_needed(work_session, cast.fay, now=READY_AT).forecasts[0].covered
    assert demand.demand.amount_minor == 12_500
    (sent,) = queries.transfers(work_session, cast.ivo)
    assert calls.perform(work_engine, gateway, sent.intent_id, READY_AT) == "succeeded"
    assert (standin.control.counters()["transfer"], balance_of(work_session, Purpose.IN_TRANSFER)) == (1, 0)
    intent = work_session.get_one(Intent, sent.intent_id, populate_existing=True)
    assert (intent.request["destination"], intent.document_type) == (at_stripe, "statement_approval")
    (settled,) = cockpit.settled_amounts(work_session, cast.fay, statement.period_id)
    assert settled.by_kind == {"transferred": 12_500}
    # The month's end after that looks at it once more, and never again.
    assert in_line(work_session) == [sent.disposition_id]
    close(work_engine, cast, NEXT_CLOSED_AT + timedelta(days=31))
    assert in_line(work_session) == []
    assert [one.id for one in queries.statements(work_session, cast.ivo)] == [statement.id]
    assert [one for one in all_problems(work_session) if "held" in one.check or "transfer" in one.check] == []


def test_the_news_that_the_account_is_ready_and_the_sweep_both_send_it(
    work_engine, work_session, cast, gateway, standin, statement, account
):
    at_stripe = account()
    assert releasing.is_waiting_for_ready_accounts(work_session)
    kept = work_session.get_one(ConnectedAccount, cast.integrator.id)
    kept.transfers_state = "pending"
    work_session.execute(text("DELETE FROM procrastinate_jobs"))
    work_session.commit()
    assert not releasing.is_waiting_for_ready_accounts(work_session)
    for _ in range(2):
        handling.refresh_account(work_engine, gateway, at_stripe, READY_AT)
    assert queued(work_session, "transfer_held") == [("transfer_held", {})]


def test_two_workers_send_it_once(committed_database, gateway, standin):
    engine = committed_database.work_engine
    with transaction(engine) as session:
        cast = build_cast(session)
        open_books(session, cast)
        earn(session, cast, 10_000, 1)
    period_id = close(engine, cast)
    with transaction(engine) as session:
        approved_and_disposed(session, cast, statement_of(session, period_id, cast.integrator.id))
        connected(session, gateway, standin, cast.integrator)
    counts: list[int] = []
    workers = [threading.Thread(target=lambda: counts.append(go(engine))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(counts) == [0, 1]
    with transaction(engine) as session:
        assert session.scalars(select(Intent.amount_minor).where(Intent.kind == "transfer")).all() == [10_000]
        assert settlement_problems(session) == []


def test_it_waits_at_stripe_when_the_account_is_restricted_again_before_it_left(
    work_engine, work_session, cast, gateway, standin, statement, account
):
    at_stripe = account()
    assert go(work_engine) == 1
    standin.control.set_capability(at_stripe, "restricted")
    (sent,) = queries.transfers(work_session, cast.fay)
    assert calls.perform(work_engine, gateway, sent.intent_id, READY_AT) == "planned"
    assert queries.transfers(work_session, cast.fay)[0].failure.startswith("Waits until the receiving account")
    standin.control.set_capability(at_stripe, "active")
    assert calls.perform_waiting(work_engine, gateway, READY_AT) == 1
    assert standin.control.counters()["transfer"] == 1


def test_a_hold_on_the_party_keeps_it_until_its_end(work_engine, work_session, cast, statement, account):
    hold = holding.hold_party(work_session, cast.fay, "kes", reason="Bank details", now=READY_AT)
    with pytest.raises(Conflict, match="on hold already"):
        holding.hold_party(work_session, cast.fay, "KES", reason="Again", now=READY_AT)
    account()
    assert go(work_engine) == 0
    close(work_engine, cast, NEXT_CLOSED_AT)
    work_session.execute(text("DELETE FROM procrastinate_jobs"))
    holding.end_hold(work_session, cast.fay, hold.id, reason="Fine", now=NEXT_CLOSED_AT)
    assert queued(work_session, "transfer_held") == [("transfer_held", {})]
    work_session.commit()
    assert go(work_engine, NEXT_CLOSED_AT) == 1
    assert held_and_under_way(work_session) == (0, 12_500)


def test_a_case_held_meanwhile_stays_behind_and_comes_back_when_its_hold_ends(work_engine, work_session, cast, account):
    made = money.closed_statement(work_session, cast)
    assert approved_and_disposed(work_session, cast, made) == {"held": made.net_minor}
    (name,) = {line.case_name for line in queries.lines(work_session, cast.ivo, made.id) if line.case_name}
    hold = holding.hold_case(work_session, cast.fay, name, reason="Being looked at", now=READY_AT)
    account()
    # All of it is of this case.
    assert go(work_engine) == 0
    close(work_engine, cast, NEXT_CLOSED_AT)
    assert held_and_under_way(work_session) == (made.net_minor, 0)
    holding.end_hold(work_session, cast.fay, hold.id, reason="Fine", now=NEXT_CLOSED_AT)
    work_session.commit()
    assert go(work_engine, NEXT_CLOSED_AT) == 1
    assert held_and_under_way(work_session) == (0, made.net_minor)


def test_what_the_party_owes_stays_behind_and_is_netted_from_the_next_statement(
    work_engine, work_session, cast, statement, account
):
    earn(work_session, cast, -3_000, 3, now=REVIEWED_AT)
    account()
    assert go(work_engine) == 1
    assert held_and_under_way(work_session) == (3_000, 9_500)
    close(work_engine, cast, NEXT_CLOSED_AT)
    # It comes back beside what is owed, so that the next net is nothing.
    back = queries.statements(work_session, cast.ivo)[0]
    kinds = {line.kind: line.amount_minor for line in queries.lines(work_session, cast.ivo, back.id)}
    assert (back.net_minor, kinds["released"]) == (0, 3_000)
    assert held_and_under_way(work_session)[0] == 0
    assert settlement_problems(work_session) == []


@pytest.fixture
def second(work_engine, work_session, cast, statement):
    """60.00 more that wait for the account, and then 30.00 that the integrator owes."""
    earn(work_session, cast, 6_000, 3, now=REVIEWED_AT)
    work_session.commit()
    made = statement_of(work_session, close(work_engine, cast, NEXT_CLOSED_AT), cast.integrator.id)
    assert approved_and_disposed(work_session, cast, made, NEXT_CLOSED_AT + timedelta(days=11)) == {"held": 6_000}
    earn(work_session, cast, -3_000, 4, now=NEXT_CLOSED_AT + timedelta(days=12))
    work_session.commit()
    return made


def test_of_two_that_wait_the_older_one_keeps_the_debt_and_the_other_goes_whole(
    work_engine, work_session, cast, statement, second, account
):
    account()
    assert go(work_engine, NEXT_CLOSED_AT + timedelta(days=13)) == 2
    sent = {row.statement_id: row.amount_minor for row in work_session.scalars(select(HeldTransfer))}
    assert sent == {statement.id: 9_500, second.id: 6_000}
    third = close(work_engine, cast, NEXT_CLOSED_AT + timedelta(days=31))
    assert statement_of(work_session, third, cast.integrator.id).net_minor == 0
    assert held_and_under_way(work_session)[0] == 0
    assert settlement_problems(work_session) == []


def test_a_months_end_brings_back_only_what_the_debt_needs(work_engine, work_session, cast, second):
    third = close(work_engine, cast, NEXT_CLOSED_AT + timedelta(days=31))
    assert statement_of(work_session, third, cast.integrator.id).net_minor == 12_500 - 3_000
    assert held_and_under_way(work_session)[0] == 6_000
    assert settlement_problems(work_session) == []


def test_two_workers_keep_a_debt_back_once_of_two_statements(committed_database, gateway, standin):
    engine = committed_database.work_engine
    with transaction(engine) as session:
        cast = build_cast(session)
        open_books(session, cast)
        earn(session, cast, 10_000, 1)
    for number, closed_at, follows in ((2, CLOSED_AT, 5_000), (3, NEXT_CLOSED_AT, -2_000)):
        period_id = close(engine, cast, closed_at)
        later = closed_at + timedelta(days=11)
        with transaction(engine) as session:
            approved_and_disposed(session, cast, statement_of(session, period_id, cast.integrator.id), later)
            earn(session, cast, follows, number, now=later)
    with transaction(engine) as session:
        connected(session, gateway, standin, cast.integrator)
        waiting = session.scalars(select(Disposition.id).where(Disposition.kind == "held")).all()

    def send(disposition_id):
        with transaction(engine) as session:
            releasing.transfer_held(session, disposition_id, livemode=False, now=NEXT_CLOSED_AT + timedelta(days=13))

    workers = [threading.Thread(target=send, args=(each,)) for each in (*reversed(waiting), *waiting)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with transaction(engine) as session:
        assert sorted(session.scalars(select(HeldTransfer.amount_minor))) == [5_000, 8_000]
        assert settlement_problems(session) == []


def test_what_a_later_statement_took_up_is_not_sent_beside_it(work_engine, work_session, cast, statement, account):
    earn(work_session, cast, -3_000, 3, now=REVIEWED_AT)
    work_session.commit()
    back = statement_of(work_session, close(work_engine, cast, NEXT_CLOSED_AT), cast.integrator.id)
    assert (back.net_minor, in_line(work_session)) == (9_500, [])
    account()
    assert go(work_engine, NEXT_CLOSED_AT) == 0
    assert releasing.transfer_held(
        work_session, queries.dispositions_of(work_session, statement.id)[0].id, livemode=False, now=NEXT_CLOSED_AT
    ) is None  # fmt: skip
    later = NEXT_CLOSED_AT + timedelta(days=11)
    assert approved_and_disposed(work_session, cast, back, later) == {"transferred": 9_500}
    assert settlement_problems(work_session) == []


def test_tax_goes_along_with_what_went_late(work_engine, work_session, cast, account):
    open_books(work_session, cast)
    earn(work_session, cast, 10_000, 1)
    both_details(work_session, cast)
    agreed(work_session, cast)
    work_session.commit()
    made = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    assert approved_and_disposed(work_session, cast, made) == {"held": 10_000}
    assert balance_of(work_session, Purpose.PAYABLE_TAX) == -1_900
    account()
    assert go(work_engine) == 1
    assert work_session.scalars(select(DispositionTax.amount_minor)).all() == [1_900]
    assert queries.transfers(work_session, cast.ivo)[0].paid_minor == 11_900
    assert (balance_of(work_session, Purpose.PAYABLE_TAX), balance_of(work_session, Purpose.IN_TRANSFER)) == (
        0,
        -11_900,
    )
    assert settlement_problems(work_session) == []


def test_nothing_is_left_of_an_attempt_that_broke_off(work_engine, work_session, cast, statement, account):
    account()
    (held,) = queries.dispositions_of(work_session, statement.id)

    def broken() -> None:
        with transaction(work_engine) as session:
            assert releasing.transfer_held(session, held.id, livemode=False, now=READY_AT) is not None
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert held_and_under_way(work_session) == (12_500, 0)
    assert queued(work_session, "perform_intent") == []
    assert go(work_engine) == 1


def test_the_database_forgets_nothing_that_is_still_held(work_session, cast, statement):
    with pytest.raises(IntegrityError, match="still holds something"), work_session.begin_nested():
        work_session.execute(delete(StillHeld))
    assert in_line(work_session) == [queries.dispositions_of(work_session, statement.id)[0].id]


@pytest.mark.parametrize(
    ("amount", "party", "is_released"), [(12_501, "integrator", False), (1, "customer", False), (1, "integrator", True)]
)
def test_the_database_refuses_more_than_was_held_and_what_is_back(
    work_session, cast, statement, account, amount, party, is_released
):
    account()
    (held,) = queries.dispositions_of(work_session, statement.id)
    if is_released:
        earn(work_session, cast, -3_000, 3, now=REVIEWED_AT)
        assert releasing.release_held(work_session, cast.factory.id, livemode=False, now=READY_AT) == 1
    (intent,) = [
        Intent(
            kind="transfer", manufacturer_id=cast.factory.id, organisation_id=cast.integrator.id, document_type="test",
            document_id="1", currency="EUR", amount_minor=amount, request={}, progress={}, state="planned",
            livemode=False, created_at=READY_AT,
        )
    ]  # fmt: skip
    work_session.add(intent)
    work_session.flush()
    work_session.add(
        HeldTransfer(
            disposition_id=held.id, statement_id=statement.id, manufacturer_id=cast.factory.id,
            party_id=getattr(cast, party).id, currency="EUR", amount_minor=amount, intent_id=intent.id,
            planned_at=READY_AT,
        )
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="later statement already" if is_released else "holds less"):
        work_session.flush()
