"""The four books agree, or each kind of difference is found, named, kept once, and ended."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from portal.ledger.actions import post
from portal.ledger.models import Account, Posting
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.payments.cash import take_cash
from portal.payments.models import BalanceMovement, ConnectedAccount, Intent
from portal.payments.outcomes import succeed_transfer
from portal.payments.provider import PaymentOfInvoice
from portal.payments.queries import tie_out as stripe_and_clearing
from portal.payments.rules import PAYMENT_PAIRS
from portal.settlement import differences, tie_out
from portal.settlement.bank_statements import Taken, take_bank_file
from portal.settlement.difference_models import DifferenceEnd, ReconciliationDifference
from portal.settlement.reconciling import find_differences
from portal.web.settlement.reconciling import KINDS
from tests.support.cast import NOW
from tests.support.payments import open_books, planned_invoice, planned_transfer

LATER = NOW + timedelta(days=10)
CASH, FEE = 12_550, 393


@pytest.fixture
def books(work_session, cast):
    """A charge of an invoice that all books agree about."""
    period_id = open_books(work_session, cast)
    invoice = planned_invoice(work_session, cast, period_id)
    intent = work_session.get_one(Intent, invoice.intent_id)
    take_cash(work_session, intent, PaymentOfInvoice("ch_1", CASH, FEE, "EUR", NOW), NOW)
    return cast


def moved(session, cast, number, amount, *, fee=0, category="charge", source="", at=NOW):
    session.add(
        BalanceMovement(
            provider_id=f"txn_{number}",
            manufacturer_id=cast.factory.id,
            category=category,
            currency="EUR",
            amount_minor=amount,
            fee_minor=fee,
            net_minor=amount - fee,
            source_object_id=source,
            livemode=False,
            occurred_at=at,
            recorded_at=at,
        )
    )
    session.flush()


def paid_out(session, cast, amount):
    """A payout that Stripe and the journal agree about."""
    moved(session, cast, "po", -amount, category="payout", source="po_1")
    post(
        session,
        manufacturer_id=cast.factory.id,
        currency="EUR",
        kind="stripe_payout",
        document=Document("balance_movement", "txn_po"),
        legs=[debit(Purpose.BANK, amount), credit(Purpose.STRIPE, amount)],
        allowed_pairs=PAYMENT_PAIRS,
        occurred_at=NOW,
        now=NOW,
    )


def bank_posting(session):
    return session.scalars(select(Posting).join(Account, Account.id == Posting.account_id).where(
        Account.purpose == "bank")).one()  # fmt: skip


def seen_by_bank(session, cast, amount):
    return differences.record_bank_line(
        session,
        cast.fay,
        bank_posting(session).id,
        amount_minor=amount,
        booked_on=date(2026, 3, 12),
        reference="SEPA 1",
        now=LATER,
    )


def sent(session, cast, amount, at_stripe):
    """A transfer that no statement's approval asked for."""
    session.add(
        ConnectedAccount(
            organisation_id=cast.integrator.id, provider_account_id="acct_1", transfers_state="active",
            requirements={"open": []}, livemode=False, created_at=NOW, checked_at=NOW,
        )
    )  # fmt: skip
    session.flush()
    intent = planned_transfer(session, cast, amount)
    intent.state = "sent"
    succeed_transfer(session, intent, "tr_1", NOW)
    moved(session, cast, "tr", -at_stripe, category="transfer", source="tr_1")


def charge(session, cast):
    moved(session, cast, 1, CASH, fee=FEE, source="ch_1")


def _unposted(session, cast):
    charge(session, cast)
    moved(session, cast, 2, -150, category="other_adjustment")


def _fees_differ(session, cast):
    moved(session, cast, 1, CASH + 7, fee=FEE + 7, source="ch_1")


def _repeated(session, cast):
    charge(session, cast)
    moved(session, cast, 2, CASH, fee=FEE, source="ch_1")


def _unseen(session, cast):
    charge(session, cast)
    paid_out(session, cast, 5_000)


def _bank_differs(session, cast):
    _unseen(session, cast)
    seen_by_bank(session, cast, 4_999)


def uploaded(session, cast, *lines):
    head = "date,amount,currency,reference,description"
    return take_bank_file(session, cast.fay, "\n".join([head, *lines]).encode(), now=LATER - timedelta(days=2))


def _bank_unknown(session, cast):
    charge(session, cast)
    uploaded(session, cast, "2026-03-12,-4.90,EUR,B7,Charges")


def _unapproved(session, cast):
    charge(session, cast)
    sent(session, cast, 2_000, 2_000)


def _amount_differs(session, cast):
    moved(session, cast, 1, CASH - 1, fee=FEE, source="ch_1")


INJECTED = {
    "movement_unposted": (_unposted, -150, 0),
    "movement_amount": (_amount_differs, CASH - 1 - FEE, CASH - FEE),
    "fee_amount": (_fees_differ, FEE + 7, FEE),
    "movement_repeated": (_repeated, CASH - FEE, 2 * (CASH - FEE)),
    "posting_unmoved": (lambda session, cast: None, 0, CASH - FEE),
    "transfer_unapproved": (_unapproved, 0, 2_000),
    "bank_unseen": (_unseen, 5_000, 0),
    "bank_amount": (_bank_differs, 5_000, 4_999),
    "bank_unknown": (_bank_unknown, -490, 0),
}


def listed(session, cast):
    return tie_out.open_differences(session, cast.fay)


def book(session, cast, difference_id):
    differences.request_booking(session, cast.fay, difference_id, explanation="A fee of Stripe's")
    who = {"person_id": cast.fay.person_id, "explanation": "A fee of Stripe's", "livemode": False}
    return [differences.book_difference(session, difference_id, now=LATER, **who) for _ in range(2)]


def test_books_that_agree_have_no_difference(work_session, books):
    charge(work_session, books)
    paid_out(work_session, books, 5_000)
    seen_by_bank(work_session, books, 5_000)
    assert find_differences(work_session, now=LATER) == 0
    days = tie_out.tied_days(work_session, books.fay, zone="Europe/Berlin")
    assert [(day.on, day.stripe_minor, day.journal_minor, day.difference_minor) for day in days] == [
        (NOW.date(), CASH - FEE - 5_000, CASH - FEE - 5_000, 0)
    ]
    assert [(row.category, row.fee_minor) for row in tie_out.fees_by_kind(work_session, books.fay)] == [
        ("charge", FEE), ("payout", 0),
    ]  # fmt: skip


def test_the_balance_at_a_moment_leaves_out_what_stripe_moved_later(work_session, books):
    # Posted before the moment, and shown by Stripe after it: both sides count it from when it was shown.
    shown_at = NOW + timedelta(hours=1)
    moved(work_session, books, 1, CASH, fee=FEE, source="ch_1", at=shown_at)
    assert tie_out.tied_until(work_session, books.factory.id, shown_at) == {}
    after = tie_out.tied_until(work_session, books.factory.id, shown_at + timedelta(seconds=1))
    assert after == {"EUR": {"stripe_minor": CASH - FEE, "journal_minor": CASH - FEE}}


def test_a_posting_that_stripe_never_showed_counts_from_its_own_moment(work_session, books):
    apart = tie_out.tied_until(work_session, books.factory.id, NOW + timedelta(seconds=1))
    assert apart == {"EUR": {"stripe_minor": 0, "journal_minor": CASH - FEE}}


def test_every_kind_has_its_words():
    assert set(INJECTED) == set(KINDS)


@pytest.mark.parametrize("kind", INJECTED)
def test_difference_is_found_once_named_and_ended(work_session, books, kind):
    inject, expected, found = INJECTED[kind]
    inject(work_session, books)
    for _ in range(2):
        assert find_differences(work_session, now=LATER) == 1
    (row,) = listed(work_session, books)
    assert (row.kind, row.expected_minor, row.found_minor, row.owner_id) == (kind, expected, found, None)
    assert any(day.difference_minor for day in tie_out.tied_days(work_session, books.fay, zone="UTC")) or (
        kind == "fee_amount"
    )
    differences.own_difference(work_session, books.fay, row.id, now=LATER)
    assert listed(work_session, books)[0].owner_id == books.fay.person_id
    if kind in differences.BOOKABLE:
        ended, again = book(work_session, books, row.id)
        assert ended is again
        assert [tie.difference_minor for tie in stripe_and_clearing(work_session)] == [0]
        assert not any(day.difference_minor for day in tie_out.tied_days(work_session, books.fay, zone="UTC"))
    elif kind == "bank_unseen":
        seen_by_bank(work_session, books, 5_000)
    else:
        differences.accept_difference(work_session, books.fay, row.id, explanation="Stripe confirms it", now=LATER)
    assert find_differences(work_session, now=LATER) == 0
    assert listed(work_session, books) == []
    assert work_session.scalars(select(DifferenceEnd)).one().difference_id == row.id


def test_accepted_difference_comes_back_with_other_amounts(work_session, books):
    _unposted(work_session, books)
    find_differences(work_session, now=LATER)
    (row,) = listed(work_session, books)
    differences.accept_difference(work_session, books.fay, row.id, explanation="Known", now=LATER)
    moved(work_session, books, 3, -20, category="other_adjustment")
    assert find_differences(work_session, now=LATER) == 1
    assert [each.subject for each in listed(work_session, books)] == ["txn_3"]


def test_late_movement_ends_its_difference_by_itself(work_session, books):
    assert find_differences(work_session, now=NOW) == 0
    assert find_differences(work_session, now=LATER) == 1
    charge(work_session, books)
    assert find_differences(work_session, now=LATER) == 0
    assert work_session.scalars(select(DifferenceEnd)).one().outcome == "gone"


def test_differences_are_for_the_manufacturers_finance(work_session, books):
    _unposted(work_session, books)
    find_differences(work_session, now=LATER)
    (row,) = listed(work_session, books)
    for stranger in (books.ana, books.ivo, books.flo):
        with pytest.raises(NotAllowed):
            differences.accept_difference(work_session, stranger, row.id, explanation="Mine", now=LATER)
        with pytest.raises(NotAllowed):
            tie_out.open_differences(work_session, stranger)
    with pytest.raises((NotAllowed, NotFound)):
        differences.own_difference(work_session, books.eve, row.id, now=LATER)


def test_what_cannot_be_is_refused(work_session, books):
    _fees_differ(work_session, books)
    find_differences(work_session, now=LATER)
    (row,) = listed(work_session, books)
    with pytest.raises(RuleBroken):
        differences.request_booking(work_session, books.fay, row.id, explanation="Because")
    for empty in ("  ", "x" * 2_001):
        with pytest.raises(Invalid):
            differences.accept_difference(work_session, books.fay, row.id, explanation=empty, now=LATER)
    differences.accept_difference(work_session, books.fay, row.id, explanation="So", now=LATER)
    with pytest.raises(Conflict):
        differences.own_difference(work_session, books.fay, row.id, now=LATER)
    assert work_session.query(ReconciliationDifference).count() == 1


def test_an_uploaded_statement_answers_to_what_is_booked_once(work_session, books):
    charge(work_session, books)
    paid_out(work_session, books, 5_000)
    lines = ("2026-03-12,50.00,EUR,SEPA 1,STRIPE", "2026-03-12,-4.90,EUR,B7,Charges")
    assert uploaded(work_session, books, *lines) == Taken(read=2, known=0, matched=1)
    assert uploaded(work_session, books, *lines) == Taken(read=2, known=2, matched=0)
    assert tie_out.waiting_for_bank(work_session, books.fay) == []
    assert find_differences(work_session, now=LATER) == 1
    assert listed(work_session, books)[0].kind == "bank_unknown"


def test_a_line_that_came_first_finds_its_posting_later(work_session, books):
    charge(work_session, books)
    assert uploaded(work_session, books, "2026-03-12,50.00,EUR,SEPA 1").waiting == 1
    paid_out(work_session, books, 5_000)
    assert find_differences(work_session, now=LATER) == 0


def test_a_bank_books_by_its_own_day_when_it_is_tomorrow_there(work_session, books):
    at_night = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)
    raw = b"date,amount,currency,reference\n2026-03-30,50.00,EUR,SEPA 1"
    assert take_bank_file(work_session, books.fay, raw, now=at_night).read == 1
    with pytest.raises(Invalid, match="in the future"):
        take_bank_file(work_session, books.fay, raw.replace(b"03-30", b"03-31"), now=at_night)


def test_a_forecast_is_no_statement(work_session, books):
    with pytest.raises(Invalid, match="in the future"):
        uploaded(work_session, books, "2026-03-30,50.00,EUR,SEPA 1")
    for stranger in (books.ana, books.ivo):
        with pytest.raises(NotAllowed):
            take_bank_file(work_session, stranger, b"", now=LATER)
