"""What finance is told: a statement to review, a contested line and its end, cash that is missing for transfers.

A letter names the statement and the page; amounts are read there, signed in.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import Role
from portal.directory.models import Organisation
from portal.ledger.models import Period
from portal.money import Money
from portal.notifications.actions import queue_letter
from portal.notifications.letters import Writing, letter
from portal.notifications.recipients import people_with_role
from portal.notifications.rendering import Fact, Letter
from portal.payments.queries import lacking_minor
from portal.settlement.models import Contest, ContestDecision, Statement, StatementLine

FINANCE = (Role.FINANCE,)


def notify_statement(session: Session, statement_id: int, now: datetime) -> None:
    """Tell the party's finance that a statement is out and until when lines can be contested."""
    statement = session.get_one(Statement, statement_id)
    _tell(session, statement.party_id, "statement_ready", ("statement", statement.id), now)


def notify_contest(session: Session, contest_id: int, now: datetime) -> None:
    """Tell the manufacturer's finance that a party contests a line."""
    contest = session.get_one(Contest, contest_id)
    _tell(session, contest.manufacturer_id, "line_contested", ("contest", contest.id), now)


def notify_contest_decided(session: Session, contest_id: int, now: datetime) -> None:
    """Tell the party's finance how its contest ended."""
    contest = session.get_one(Contest, contest_id)
    _tell(session, contest.party_id, "contest_decided", ("contest", contest.id), now)


def notify_cash_needed(session: Session, manufacturer_id: int, currency: str, now: datetime) -> None:
    """Tell the manufacturer's finance, once a day, that transfers wait for the balance."""
    organisation = session.get_one(Organisation, manufacturer_id)
    about = ("cash_needed", f"{organisation.id}:{currency}:{now:%Y-%m-%d}")
    _tell(session, manufacturer_id, "cash_needed", about, now)


@letter("statement_ready")
def statement_ready(writing: Writing) -> Letter | None:
    """A statement is out for review."""
    statement = writing.session.get_one(Statement, int(writing.delivery.object_id))
    maker = writing.session.get_one(Organisation, statement.manufacturer_id)
    period = writing.session.get_one(Period, statement.period_id)
    return Letter(
        subject=f"Statement {statement.name} of {maker.name} for {period.label}",
        greeting=writing.greeting,
        sentences=("Your statement is ready. Every line opens down to the work that earned it.",),
        facts=(
            Fact("Lines", str(statement.line_count)),
            Fact("Contest lines until", writing.when(statement.review_until)),
            Fact("SHA-256", statement.content_sha256),
        ),
        button=("Review the statement", writing.page(f"statements/{statement.id}")),
    )


@letter("line_contested")
def line_contested(writing: Writing) -> Letter | None:
    """A party contests a line; the line is held, the rest goes on."""
    session = writing.session
    contest = session.get_one(Contest, int(writing.delivery.object_id))
    statement = session.get_one(Statement, contest.statement_id)
    line = session.get_one(StatementLine, contest.statement_line_id)
    party = session.get_one(Organisation, contest.party_id)
    return Letter(
        subject=f"{party.name} contests line {line.position} of statement {statement.name}",
        greeting=writing.greeting,
        sentences=("The line is held until this is decided; the rest of the statement goes on.",),
        quote=contest.reason,
        facts=(Fact("Line", line.description), Fact("Case", line.case_name or "–")),
        button=("Look at the line", writing.page(f"statements/{statement.id}")),
    )


@letter("contest_decided")
def contest_decided(writing: Writing) -> Letter | None:
    """How a contest ended."""
    session = writing.session
    contest = session.get_one(Contest, int(writing.delivery.object_id))
    decision = session.query(ContestDecision).filter_by(contest_id=contest.id).one_or_none()
    if decision is None:
        return None
    statement = session.get_one(Statement, contest.statement_id)
    line = session.get_one(StatementLine, contest.statement_line_id)
    return Letter(
        subject=f"Line {line.position} of statement {statement.name}: {decision.outcome}",
        greeting=writing.greeting,
        sentences=(f"The line you contested: {decision.outcome}.",),
        quote=decision.explanation,
        facts=(Fact("Line", line.description),),
        button=("Look at the statement", writing.page(f"statements/{statement.id}")),
    )


@letter("cash_needed")
def cash_needed(writing: Writing) -> Letter | None:
    """Approved transfers wait because the balance at Stripe is too small: in which currency, and by how much."""
    manufacturer_id, currency = writing.delivery.object_id.split(":")[:2]
    lacking = lacking_minor(writing.session, int(manufacturer_id), currency)
    return Letter(
        subject=f"Transfers in {currency} wait for balance at Stripe",
        greeting=writing.greeting,
        sentences=(
            "Approved transfers are larger than what is available at Stripe. They go out oldest first as it fills.",
            "Nothing is lost and nothing has to be approved again.",
        ),
        facts=(Fact("Missing", str(Money(lacking, currency))),) if lacking else (),
        button=("See what waits", writing.page("cash-needed")),
    )


def _tell(session: Session, organisation_id: int, template: str, about: tuple[str, object], now: datetime) -> None:
    for recipient in people_with_role(session, organisation_id, FINANCE):
        queue_letter(session, recipient, template, about=about, now=now, once=f"{about[0]}:{about[1]}")
