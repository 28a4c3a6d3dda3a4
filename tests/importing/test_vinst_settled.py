"""The VINST log settled to the last cent: invoices paid at the stand-in, the month of the cash closed, money moved.

Each test takes what ``settled`` left, so they may run in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.billing.books import stripe_tie_out
from portal.db import open_session, transaction
from portal.importing import actions
from portal.ledger.chain import broken_blocks
from portal.payments.gateway import connect
from portal.settlement import books, closing, report
from portal.settlement.reconciling import find_differences
from tests.importing.logs import NOW, VINST, counts
from tests.standin.process import running_standin
from tests.support.checkers import BOTH, CHANGES, complaint, spoiled, written
from tests.support.vinst import (
    AFTER_JUNE,
    AFTER_MAY,
    LOG,
    REVIEWED_AT,
    WITHOUT_LOG,
    Settling,
    Vinst,
    period,
    quiet,
    sizes,
)

pytestmark = [pytest.mark.skipif(not LOG.is_file(), reason=WITHOUT_LOG), pytest.mark.xdist_group("vinst")]

BILLED = 52_869_000
INVOICES = 26
# The front line sold every plan and resolved some; the factory, which is the operator, keeps the rest.
FRONT_LINE, FACTORY = 5_202_450, 47_666_550
JUNE = """\
Period 2012-06: hard-closed

currency  billed  invoiced        cash     payable
EUR         0.00      0.00  528,690.00  528,690.00

statement  party    currency         net    approved  transferred    retained  invoiced  held  carried
VINST-S1   VINST    EUR       476,665.50  476,665.50            -  476,665.50         -     -        -
VINST-S2   VINSTFL  EUR        52,024.50   52,024.50    52,024.50           -         -     -        -"""


@pytest.fixture(scope="module")
def settled(vinst_closed: Vinst, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settling]:
    with running_standin(tmp_path_factory.mktemp("standin") / "standin.db") as standin:
        settling = Settling(vinst_closed, standin, connect(standin.key, standin.base_url))
        settling.set_up_payouts()
        assert settling.pay_all() == INVOICES
        settling.close("2012-06", AFTER_JUNE)
        settling.settle("2012-06", REVIEWED_AT)
        settling.poll(REVIEWED_AT)
        for month in ("2012-05", "2012-06"):
            settling.end_for_good(month, REVIEWED_AT)
        yield settling


def figures(settled: Settling, label: str) -> report.PeriodFigures:
    with open_session(settled.vinst.engine) as session:
        return report.period_figures(session, period(session, label).id)


def test_may_is_billed_and_invoiced_to_the_cent(settled):
    may = figures(settled, "2012-05")
    assert may.currencies == [report.CurrencyFigures("EUR", BILLED, BILLED, 0, 0)]
    assert (may.state, may.statements) == ("hard_closed", [])


def test_the_cash_of_june_is_settled_to_the_cent(settled):
    june = figures(settled, "2012-06")
    assert june.state == "hard_closed"
    assert june.currencies == [report.CurrencyFigures("EUR", 0, 0, BILLED, BILLED)]
    became = {row.party: (row.net_minor, row.approved_minor, dict(row.by_kind)) for row in june.statements}
    assert became == {
        "VINST": (FACTORY, FACTORY, {"retained": FACTORY}),
        "VINSTFL": (FRONT_LINE, FRONT_LINE, {"transferred": FRONT_LINE}),
    }
    assert report.as_table(june) == JUNE


def test_what_was_approved_is_what_became_of_it(settled):
    with open_session(settled.vinst.engine) as session:
        (both,) = session.execute(
            text(
                "SELECT currency, sum(amount_minor)::bigint AS approved, (SELECT sum(amount_minor)::bigint FROM"
                " disposition WHERE disposition.currency = statement_approval.currency AND kind IN ('transferred',"
                " 'retained', 'invoiced', 'held', 'carried')) AS became FROM statement_approval GROUP BY currency"
            )
        ).all()
    assert tuple(both) == ("EUR", BILLED, BILLED)


def test_what_left_at_stripe_is_what_the_journal_says(settled):
    sent = settled.standin.client().v1.transfers.list({"limit": 100}).data
    posted, fees = counts(
        settled.vinst.engine,
        "SELECT sum(amount_minor)::bigint FROM posting JOIN account ON account.id = account_id"
        " JOIN journal_transaction journal ON journal.id = transaction_id"
        " WHERE journal.kind = 'transfer_sent' AND purpose = 'payable_in_transfer'",
        "SELECT sum(fee_minor)::bigint FROM cash_receipt",
    )
    assert [(one.amount, one.currency) for one in sent] == [(FRONT_LINE, "eur")]
    assert sum(one.amount for one in sent) == posted
    # Each round of jobs set Stripe's clock back to its beginning; a transfer counts from its own second on.
    settled.standin.control.set_clock(int(REVIEWED_AT.timestamp()) + 3600)
    balance = settled.gateway.available_balance()["EUR"]
    assert balance == BILLED - fees - FRONT_LINE


def test_its_books_and_stripes_are_right(settled):
    with open_session(settled.vinst.engine) as session:
        assert books.all_problems(session) == []
        assert stripe_tie_out(session) == []
        assert list(broken_blocks(session)) == []


@pytest.mark.parametrize("syntax", BOTH)
def test_its_journal_is_accepted_and_refused_once_it_is_changed(settled, tmp_path, syntax):
    with open_session(settled.vinst.engine) as session:
        may, june = (written(session, period(session, label), syntax) for label in ("2012-05", "2012-06"))
    assert complaint(tmp_path, *may) == ""
    assert complaint(tmp_path, *june) == ""
    for change in CHANGES:
        assert complaint(tmp_path, june[0], spoiled(june[1], change))


def test_its_four_books_agree(settled):
    with open_session(settled.vinst.engine) as session:
        assert find_differences(session, now=REVIEWED_AT + timedelta(days=30)) == 0


def objects_at(settled: Settling) -> dict[str, int]:
    """How many objects of each kind the stand-in has; looking at them is a call and no object."""
    return {kind: count for kind, count in settled.standin.control.counters().items() if kind != "calls"}


def test_all_of_it_again_changes_nothing(settled):
    vinst = settled.vinst
    before, at_stripe = sizes(vinst.engine), objects_at(settled)
    run_id, again = actions.import_log(vinst.engine, actions.plan_import(LOG, VINST), now=NOW, progress=quiet)
    assert (run_id, again) == (vinst.run_id, vinst.figures)
    assert actions.bill_imported(vinst.engine, run_id, now=AFTER_MAY, livemode=False, progress=quiet) == 0
    with transaction(vinst.engine) as session:
        months = [period(session, label) for label in ("2012-05", "2012-06")]
    for month in months:
        state = closing.close_period(vinst.engine, month.manufacturer_id, month.id, livemode=False, now=REVIEWED_AT)
        assert state == "hard_closed"
    settled.poll(REVIEWED_AT)
    assert sizes(vinst.engine) == before
    assert objects_at(settled) == at_stripe
