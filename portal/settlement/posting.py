"""Postings and transfers of a statement: what disposing and releasing write alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.ledger.actions import post
from portal.ledger.rules import Document, Leg
from portal.payments.actions import plan_transfer
from portal.payments.models import Intent
from portal.settlement.models import Statement
from portal.settlement.rules import SETTLEMENT_PAIRS


@dataclass(frozen=True)
class Posting:
    """A journal transaction about a statement."""

    kind: str
    document: Document
    legs: Sequence[Leg]
    description: str
    person_id: int | None = None


def post_of(session: Session, statement: Statement, posting: Posting, *, livemode: bool, now: datetime) -> None:
    """Post it in the open period, naming the statement's."""
    post(
        session,
        manufacturer_id=statement.manufacturer_id,
        currency=statement.currency,
        kind=posting.kind,
        document=posting.document,
        legs=posting.legs,
        allowed_pairs=SETTLEMENT_PAIRS,
        occurred_at=now,
        now=now,
        description=posting.description,
        person_id=posting.person_id,
        livemode=livemode,
        origin_period_id=statement.period_id,
    )


def transfer_of(
    session: Session, statement: Statement, approval_id: int, amount_minor: int, *, livemode: bool, now: datetime
) -> Intent:
    """Plan the one transfer of an approval to the party's account as it is now: a second is refused."""
    return plan_transfer(
        session,
        manufacturer_id=statement.manufacturer_id,
        party_id=statement.party_id,
        currency=statement.currency,
        amount_minor=amount_minor,
        document=Document("statement_approval", str(approval_id)),
        group=f"statement-{statement.id}",
        description=f"Statement {statement.name}",
        livemode=livemode,
        now=now,
    )
