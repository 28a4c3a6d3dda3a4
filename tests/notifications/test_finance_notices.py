"""Finance is told of statements, contests and missing cash; each news once, and never an amount by mail."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from portal.billing.actions import answer
from portal.ledger.models import Account, JournalTransaction, Period, Posting
from portal.notifications import finance_notices as notices
from portal.notifications import payment_notices
from portal.notifications.letters import LETTERS, Writing
from portal.notifications.models import Delivery
from portal.settlement.models import Contest, ContestDecision, Statement, StatementLine
from tests.support.billed import BILLED_AT
from tests.support.cast import NOW, Cast
from tests.support.queued import queued
from tests.web.support import money


@pytest.fixture
def contest(work_session: Session, cast: Cast) -> Contest:
    maker, party = cast.factory.id, cast.integrator.id
    period = Period(
        manufacturer_id=maker, label="2026-02", zone="Europe/Berlin", starts_at=NOW - timedelta(days=40),
        ends_at=NOW - timedelta(days=10), state="open", state_at=NOW,
    )  # fmt: skip
    work_session.add(period)
    accounts = [
        Account(manufacturer_id=maker, currency="EUR", code=code, purpose="payable", kind="liability", party_id=party)
        for code in ("Liabilities:A", "Liabilities:B")
    ]
    work_session.add_all(accounts)
    work_session.flush()
    booked = JournalTransaction(
        manufacturer_id=maker, currency="EUR", period_id=period.id, kind="accrual", document_type="share",
        document_id="1", description="x", livemode=False, occurred_at=NOW, recorded_at=NOW,
    )  # fmt: skip
    work_session.add(booked)
    work_session.flush()
    work_session.add_all(
        Posting(
            transaction_id=booked.id, manufacturer_id=maker, currency="EUR", period_id=period.id, account_id=account.id,
            party_id=party, amount_minor=amount, document_type="share", document_id="1",
        )
        for account, amount in zip(accounts, (21250, -21250), strict=True)
    )  # fmt: skip
    statement = Statement(
        manufacturer_id=maker, party_id=party, period_id=period.id, revision=1, number=7, name="NOR-S7",
        currency="EUR", net_minor=21250, line_count=1, content_sha256="0" * 64, review_until=NOW, made_at=NOW,
    )  # fmt: skip
    work_session.add(statement)
    work_session.flush()
    line = StatementLine(
        statement_id=statement.id, manufacturer_id=maker, party_id=party, position=1, kind="share",
        posting_id=work_session.query(Posting.id).order_by(Posting.id).first()[0], case_name="NOR-1",
        description="Support on NOR-1", amount_minor=21250, occurred_at=NOW,
    )  # fmt: skip
    work_session.add(line)
    work_session.flush()
    contested = Contest(
        statement_id=statement.id, statement_line_id=line.id, manufacturer_id=maker, party_id=party,
        reason="We were on site", contested_by=cast.ivo.person_id, contested_at=NOW,
    )  # fmt: skip
    work_session.add(contested)
    work_session.flush()
    return contested


def letters(session: Session) -> dict[str, tuple[str, str]]:
    """Subject and all words of each queued letter by recipient and template."""
    found = {}
    for delivery in session.query(Delivery):
        said = LETTERS[delivery.template](Writing(session, delivery, "https://portal.example", "secret", NOW))
        words = " ".join((*said.sentences, said.quote, *(fact.value for fact in said.facts)))
        found[f"{delivery.email.split('@')[0]} {delivery.template}"] = (said.subject, words)
    return found


def test_statement_is_announced_once_to_the_partys_finance(work_session, cast, contest) -> None:
    for _ in range(2):
        notices.notify_statement(work_session, contest.statement_id, NOW)
    assert list(letters(work_session)) == ["ivo statement_ready"]


def test_contest_reaches_the_makers_finance_and_its_end_the_party(work_session, cast, contest) -> None:
    notices.notify_contest(work_session, contest.id, NOW)
    work_session.add(
        ContestDecision(
            contest_id=contest.id, manufacturer_id=contest.manufacturer_id, party_id=contest.party_id,
            outcome="stands", explanation="The note says remote", decided_by=cast.fay.person_id, decided_at=NOW,
        )
    )  # fmt: skip
    work_session.flush()
    notices.notify_contest_decided(work_session, contest.id, NOW)
    said = letters(work_session)
    assert set(said) == {"fay line_contested", "fin line_contested", "ivo contest_decided"}
    assert "We were on site" in said["fay line_contested"][1]
    assert "The note says remote" in said["ivo contest_decided"][1]


def test_missing_cash_is_told_once_a_day(work_session, cast) -> None:
    for hours in (0, 3, 24):
        notices.notify_cash_needed(work_session, cast.factory.id, "EUR", NOW + timedelta(hours=hours))
    assert work_session.query(Delivery).filter_by(email="fay@nor.example").count() == 2


def test_no_letter_to_finance_names_an_amount(work_session, cast, contest) -> None:
    notices.notify_statement(work_session, contest.statement_id, NOW)
    notices.notify_contest(work_session, contest.id, NOW)
    assert not any("212" in subject + words for subject, words in letters(work_session).values())


def test_a_failed_payment_is_told_to_the_payers_finance_once_a_day(work_session, cast) -> None:
    invoice = money.issued_invoice(work_session, cast)
    for hour in (0, 1):
        payment_notices.notify_payment_failed(work_session, str(invoice.intent_id), NOW + timedelta(hours=hour))
    told = letters(work_session)
    assert list(told) == ["flo payment_failed"]
    assert invoice.name in told["flo payment_failed"][0]


def test_a_question_about_a_bill_goes_to_its_owners_and_the_answer_back(work_session, cast) -> None:
    query = money.asked_question(work_session, cast)
    assert ("notify_line_query", {"query_id": query.id}) in queued(work_session)
    payment_notices.notify_line_query(work_session, query.id, NOW)
    assert sorted(letters(work_session)) == ["fay line_asked", "fin line_asked", "leo line_asked"]
    answer(work_session, cast.fay, query.id, "65 minutes by phone.", now=BILLED_AT)
    assert ("notify_line_answer", {"query_id": query.id}) in queued(work_session)
    payment_notices.notify_line_answer(work_session, query.id, NOW)
    assert "65 minutes by phone." in letters(work_session)["bea line_answered"][1]
