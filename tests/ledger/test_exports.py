"""A period's journal for programs that others wrote: both accept it, and refuse it once it is changed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from portal.errors import Invalid
from portal.ledger.actions import begin_close, post, reverse
from portal.ledger.exports import journal_name, journal_text
from portal.ledger.plaintext import Heading, accounting_date, commodity
from portal.ledger.rules import Document, Purpose, credit, debit, pairs
from tests.support.books import NEXT_MONTH, NOW, SALE, build_books, post_sale
from tests.support.checkers import BOTH, CHANGES, complaint, spoiled, written

PAID = pairs((Purpose.BANK, Purpose.UNBILLED))
HOSTILE = '2026-01-01 open "\\ ; tag:x, (code) | \n2026-03-01 * "not an entry"\n  Assets:X  1 EURCENT\x1b'


@pytest.fixture
def books(work_session):
    """March with a sale, and April with what it brought along, another currency, hostile words and a reversal."""
    made = build_books(work_session)
    first = post_sale(work_session, made, 12_345)
    begin_close(work_session, manufacturer_id=made.manufacturer_id, now=NEXT_MONTH)
    for currency, amount_minor in (("EUR", 2_345), ("USD", 999), ("JPY", 100), ("KWD", 1)):
        post(
            work_session,
            manufacturer_id=made.manufacturer_id,
            currency=currency,
            kind="paid",
            document=Document("test", f"{currency}; a,b:c"),
            legs=[debit(Purpose.BANK, amount_minor), credit(Purpose.UNBILLED, amount_minor, made.customer_id)],
            allowed_pairs=PAID,
            occurred_at=NEXT_MONTH,
            now=NEXT_MONTH,
            description=HOSTILE,
        )
    late = {"occurred_at": NOW, "now": NEXT_MONTH, "allowed_pairs": SALE}
    reverse(work_session, first, kind="sale_reversal", document=Document("test", "1"), **late)
    for number in (2, 3):
        post_sale(work_session, made, 700, number)
    return made


def months(session, books):
    march = books.period
    april = session.query(type(march)).filter_by(manufacturer_id=books.manufacturer_id, label="2026-04").one()
    return march, april


@pytest.mark.parametrize("syntax", BOTH)
def test_both_months_are_accepted(work_session, books, tmp_path, syntax):
    for period in months(work_session, books):
        assert complaint(tmp_path, *written(work_session, period, syntax)) == ""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("syntax", BOTH)
def test_changed_month_is_refused(work_session, books, tmp_path, syntax, change):
    name, journal = written(work_session, months(work_session, books)[1], syntax)
    assert complaint(tmp_path, name, spoiled(journal, change))


@pytest.mark.parametrize("syntax", BOTH)
def test_both_legs_changed_alike_are_refused_by_the_balances(work_session, books, tmp_path, syntax):
    name, journal = written(work_session, months(work_session, books)[1], syntax)
    changed = journal.replace(" 999 USDCENT", " 998 USDCENT", 1).replace(" -999 USDCENT", " -998 USDCENT", 1)
    assert "USDCENT" in complaint(tmp_path, name, changed)


@pytest.mark.parametrize("syntax", ["beancount", "hledger"])
def test_words_stay_words_and_late_entries_move_into_the_month(work_session, books, syntax):
    name, journal = written(work_session, months(work_session, books)[1], syntax)
    assert name == {"beancount": "LEDM-2026-04.beancount", "hledger": "LEDM-2026-04.journal"}[syntax]
    assert not [line for line in journal.splitlines() if line.startswith(("2026-01-01", "  Assets:X"))]
    assert "\x1b" not in journal
    assert "occurred:" in journal
    dated = [line[:10] for line in journal.splitlines() if re.search(r"\^T\d|\(T\d", line)]
    assert (len(dated), min(dated)) == (7, "2026-04-01")


@pytest.mark.parametrize("syntax", BOTH)
def test_month_without_postings_is_accepted(work_session, tmp_path, syntax):
    period = build_books(work_session).period
    assert complaint(tmp_path, *written(work_session, period, syntax)) == ""


def test_another_program_is_refused(work_session, books):
    with pytest.raises(Invalid):
        journal_text(work_session, books.period, "quicken")
    with pytest.raises(Invalid):
        journal_name(work_session, books.period, "")


def test_smallest_units_have_their_own_names():
    assert [commodity(each) for each in ("EUR", "USD", "JPY", "KWD")] == ["EURCENT", "USDCENT", "JPY", "KWDMILL"]


@pytest.mark.parametrize(
    ("happened", "counts"),
    [
        (datetime(2026, 2, 1, tzinfo=UTC), date(2026, 3, 1)),
        # 23:30 of the last day in New York is the next month in UTC.
        (datetime(2026, 4, 1, 3, 30, tzinfo=UTC), date(2026, 3, 31)),
        (datetime(2026, 4, 5, tzinfo=UTC), date(2026, 3, 31)),
        (datetime(2026, 3, 10, 3, tzinfo=UTC), date(2026, 3, 9)),
    ],
)
def test_entry_counts_on_a_day_of_its_period(happened, counts):
    heading = Heading("NOR", "2026-03", "America/New_York", date(2026, 3, 1), date(2026, 4, 1), "open")
    assert accounting_date(heading, happened) == counts
    assert accounting_date(heading, happened + timedelta(seconds=1)) == counts
