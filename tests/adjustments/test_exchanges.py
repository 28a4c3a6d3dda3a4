"""An invoice in euros is paid, settles in dollars, and goes back in part and at last whole: both ledgers hold."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from portal.ledger.actions import post
from portal.ledger.models import Period
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.payments import handling
from portal.payments.exchanges.books import exchange_problems
from portal.payments.exchanges.models import Exchange
from portal.payments.exchanges.reading import exchange_of, exchanges_of
from portal.payments.queries import tie_out, unmatched_movements
from portal.payments.rules import EXCHANGE_PAIRS
from portal.settlement.books import all_problems
from portal.settlement.reconciling import find_differences
from tests.support.checkers import BOTH, complaint, written
from tests.support.going_back import Desk, paid_invoice


@pytest.fixture
def desk(work_session, work_engine, cast, gateway, standin, run_jobs) -> Desk:
    return Desk(work_session, work_engine, cast, gateway, standin, run_jobs)


@pytest.fixture
def invoice(desk):
    desk.standin.control.exchange("eur", "usd", "1.1")
    return paid_invoice(desk)


def held(desk: Desk, purpose: str) -> dict[str, int]:
    """What accounts of a purpose hold, debit positive, by currency."""
    desk.session.commit()
    found = desk.session.execute(
        text(
            "SELECT account.currency, sum(posting.amount_minor)::bigint FROM posting"
            " JOIN account ON account.id = posting.account_id WHERE account.purpose = :purpose GROUP BY 1"
        ),
        {"purpose": purpose},
    )
    return {currency: minor for currency, minor in found if minor}


def check(desk: Desk) -> None:
    """The books hold, and so does each currency of Stripe's balance."""
    desk.session.commit()
    handling.import_movements(desk.engine, desk.gateway, desk.now)
    assert all_problems(desk.session) == []
    assert unmatched_movements(desk.session) == []
    assert [tie for tie in tie_out(desk.session) if tie.difference_minor] == []
    available = {currency: minor for currency, minor in desk.gateway.available_balance().items() if minor}
    assert held(desk, "stripe_clearing") == available
    assert find_differences(desk.session, now=desk.now) == 0


def test_each_ledger_has_its_side_and_what_goes_back_names_gain_and_loss(desk, invoice, tmp_path) -> None:
    total = invoice.total_minor
    settled = total * 11 // 10
    check(desk)
    assert held(desk, "exchange") == {"EUR": total, "USD": -settled}
    assert (held(desk, "receivable"), set(held(desk, "fees"))) == ({}, {"USD"})
    desk.allow()
    for minor, rate, difference in ((4_000, "1.12", 80), (4_000, "1.05", -120)):
        desk.standin.control.exchange("eur", "usd", rate)
        refund = desk.refund(invoice, minor)
        desk.jobs()
        assert desk.outcome(refund) == "done"
        check(desk)
        assert held(desk, "exchange_difference").get("USD", 0) == difference
    assert held(desk, "exchange") == {"EUR": total - 8_000, "USD": -(settled - 8_800)}
    desk.standin.control.dispute(desk.receipt(invoice).provider_object_id)
    desk.news()
    check(desk)
    assert held(desk, "exchange") == {}
    assert held(desk, "disputed") == {"EUR": total - 8_000}
    linked = exchanges_of(desk.session, desk.cast.fay, [desk.receipt(invoice).id])[desk.receipt(invoice).id]
    assert [(each.exchange.kind, each.outcome, each.rate) for each in linked] == [
        ("cash_received", "At the payment's own rate", "1.1"),
        ("refund_sent", "Loss", "1.12"),
        ("refund_sent", "Gain", "1.05"),
        ("chargeback_moved", "Gain", "1.05"),
    ]
    row = linked[0].exchange
    for side in (row.transaction_id, row.settled_transaction_id):
        assert exchange_of(desk.session, desk.cast.fay, side) == linked[0]
        assert exchange_of(desk.session, desk.cast.flo, side) is None
    period = desk.session.scalars(select(Period).where(Period.manufacturer_id == desk.cast.factory.id)).one()
    for syntax in [each.values[0] for each in BOTH if not any(mark.args[0] for mark in each.marks)]:
        assert complaint(tmp_path, *written(desk.session, period, syntax)) == ""


def test_a_refund_the_bank_sends_back_comes_in_at_what_it_left_for(desk, invoice) -> None:
    desk.allow()
    desk.standin.control.exchange("eur", "usd", "1.2")
    desk.refund(invoice, 5_000)
    desk.jobs()
    (refund,) = [each["id"] for each in desk.standin.client().v1.refunds.list().to_dict()["data"]]
    desk.standin.control.fail_refund(refund)
    desk.news()
    check(desk)
    assert held(desk, "exchange") == {"EUR": invoice.total_minor, "USD": -invoice.total_minor * 11 // 10}
    assert held(desk, "exchange_difference") == {}


@pytest.mark.parametrize(("settled", "rate"), [("jpy", "1.55235"), ("kwd", "3.0731")])
def test_currencies_without_cents_and_with_mills_hold_to_the_last_unit(desk, settled, rate) -> None:
    desk.standin.control.exchange("eur", settled, rate)
    invoice = paid_invoice(desk)
    check(desk)
    desk.allow()
    for minor in (3_333, 1_667):
        desk.refund(invoice, minor)
        desk.jobs()
    check(desk)
    assert held(desk, "exchange")["EUR"] == invoice.total_minor - 5_000
    desk.refund(invoice, invoice.total_minor - 5_000)
    desk.standin.control.fund(1_000_000, settled)
    desk.jobs()
    check(desk)
    assert held(desk, "exchange") == {}


def exchange_of_books(desk: Desk) -> dict:
    """The values of the one exchange there is."""
    check(desk)
    row = desk.session.scalars(select(Exchange)).one()
    return {name: value for name, value in vars(row).items() if not name.startswith("_") and name != "id"}


def test_the_check_of_all_books_finds_a_wrong_rate_and_a_leg_alone(desk, invoice) -> None:
    values = exchange_of_books(desk)
    wrong = {
        **values,
        "kind": "refund_sent",
        "movement_id": "txn_wrong",
        "amount_minor": -100,
        "settled_minor": -111,
        "first_rate_minor": -110,
        "transaction_id": other_transaction(desk, values),
        "settled_transaction_id": other_transaction(desk, values, later=True),
    }
    desk.session.add(Exchange(**wrong))
    post(
        desk.session,
        manufacturer_id=values["manufacturer_id"],
        currency="USD",
        kind="alone",
        document=Document("test", "1"),
        legs=[debit(Purpose.STRIPE, 5), credit(Purpose.EXCHANGE, 5)],
        allowed_pairs=EXCHANGE_PAIRS,
        occurred_at=desk.now,
        now=desk.now,
    )
    desk.session.flush()
    assert {problem.check for problem in exchange_problems(desk.session)} == {
        "both transactions of an exchange are posted",
        "an exchange keeps to its rate",
        "no transaction over an exchange account stands alone",
    }


def test_the_database_refuses_an_exchange_that_is_none_and_a_second_one(desk, invoice) -> None:
    values = exchange_of_books(desk)
    free = {
        "kind": "refund_sent",
        "movement_id": "txn_free",
        "transaction_id": other_transaction(desk, values),
        "settled_transaction_id": other_transaction(desk, values, later=True),
    }
    for changed, broken in (
        ({"settled_currency": "EUR"}, "two_currencies"),
        ({"settled_transaction_id": free["transaction_id"]}, "two_transactions"),
        ({"amount_minor": 0}, "ck_exchange_amounts"),
        ({"fee_minor": -1}, "ck_exchange_amounts"),
        ({"rate_den": 0}, "ck_exchange_rate"),
        ({"kind": "gift"}, "ck_exchange_kind"),
        ({"kind": "cash_received", "first_rate_minor": 1}, "first_rate"),
        ({"kind": "cash_received"}, "uq_exchange_payment"),
        ({"movement_id": values["movement_id"]}, "uq_exchange_movement_id"),
        ({"transaction_id": values["transaction_id"]}, "uq_exchange_transaction_id"),
        ({"settled_transaction_id": values["settled_transaction_id"]}, "uq_exchange_settled"),
    ):
        with pytest.raises(IntegrityError, match=broken), desk.session.begin_nested():
            desk.session.execute(insert(Exchange).values(**{**values, **free, **changed}))
    with pytest.raises(IntegrityError, match="settled_currency"), desk.session.begin_nested():
        desk.session.execute(
            text(
                "INSERT INTO cash_receipt (invoice_id, manufacturer_id, payer_id, currency, amount_minor, fee_minor,"
                " settled_currency, source, provider_object_id, livemode, received_at, recorded_at)"
                " SELECT invoice_id, manufacturer_id, payer_id, currency, amount_minor, fee_minor, currency, source,"
                " 'ch_other', livemode, received_at, recorded_at FROM cash_receipt LIMIT 1"
            )
        )


def other_transaction(desk: Desk, values: dict, *, later: bool = False) -> int:
    """A transaction that has nothing to do with any exchange."""
    sides = (values["transaction_id"], values["settled_transaction_id"])
    found = desk.session.scalars(
        text("SELECT id FROM journal_transaction WHERE NOT id = ANY (:sides) ORDER BY id LIMIT 2"),
        {"sides": list(sides)},
    ).all()
    return found[-1] if later else found[0]
