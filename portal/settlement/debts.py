"""What parties were paid and have to return, as a page shows it: from which refund, netted from which statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.adjustments.actions.recovering import NETTED, OWED, TAKEN, WRITTEN_OFF
from portal.adjustments.models import Adjustment, ClawBack, ClawBackStep
from portal.adjustments.rules.recovering import Owed, may_write_off
from portal.contracts.agreement import Settlement
from portal.entitlement.queries import terms_in_force
from portal.errors import NotAllowed, NotFound
from portal.payments.models import CashReceipt, Chargeback

MOST = 500


@dataclass(frozen=True)
class DebtStep:
    """Something that became of a debt, with the statement it was netted from."""

    kind: str
    amount_minor: int
    at: datetime
    statement_id: int | None
    statement_name: str


@dataclass(frozen=True)
class Debt:
    """What a party has to return because of one refund or chargeback.

    ``window_until`` is until when its share could be taken at all, ``reserve_bp`` what of each payout its agreement
    keeps back.
    """

    row: ClawBack
    steps: tuple[DebtStep, ...]
    window_until: datetime | None
    reserve_bp: int

    def sum_of(self, *kinds: str) -> int:
        """What steps of these kinds come to."""
        return sum(step.amount_minor for step in self.steps if step.kind in kinds)

    @property
    def rest_minor(self) -> int:
        """What is still owed."""
        return self.sum_of(OWED) - self.sum_of(NETTED, WRITTEN_OFF)

    @property
    def recovered_minor(self) -> int:
        """What came back: out of a transfer, or netted."""
        return self.sum_of(TAKEN, NETTED)

    def is_old(self, now: datetime) -> bool:
        """Whether it is owed for so long that it is proposed to give it up."""
        owed = Owed(self.row.id, self.sum_of(OWED), self.sum_of(NETTED, WRITTEN_OFF), self.row.opened_at)
        return may_write_off(owed, now)


def debts(session: Session, actor: Actor) -> list[Debt]:
    """What is to be returned to the actor's manufacturer, or by the actor's company: open ones, the oldest first.

    *Raises*: NotAllowed.
    """
    _check(actor)
    own = or_(ClawBack.manufacturer_id == actor.organisation_id, ClawBack.party_id == actor.organisation_id)
    rows = session.scalars(select(ClawBack).where(own).order_by(ClawBack.opened_at, ClawBack.id).limit(MOST)).all()
    found = _with_steps(session, rows)
    return [*(each for each in found if each.rest_minor), *(each for each in reversed(found) if not each.rest_minor)]


def debt(session: Session, actor: Actor, claw_back_id: int) -> Debt:
    """One of them. *Raises*: NotAllowed, NotFound."""
    _check(actor)
    row = session.get(ClawBack, claw_back_id)
    if row is None or actor.organisation_id not in (row.manufacturer_id, row.party_id):
        raise NotFound
    (found,) = _with_steps(session, [row])
    return found


_STATEMENTS = text(
    """
    SELECT posting.document_id::bigint, statement.id, statement.name
    FROM posting
    JOIN statement_line line ON line.posting_id = posting.id
    JOIN statement ON statement.id = line.statement_id
    WHERE posting.document_type = 'claw_back_step' AND posting.document_id = ANY (CAST(:ids AS text[]))
      AND NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = statement.id)
    """
)


def _with_steps(session: Session, rows: Sequence[ClawBack]) -> list[Debt]:
    steps = session.scalars(
        select(ClawBackStep)
        .where(ClawBackStep.claw_back_id.in_([row.id for row in rows]))
        .order_by(ClawBackStep.claw_back_id, ClawBackStep.seq)
    ).all()
    found = session.execute(_STATEMENTS, {"ids": [str(step.id) for step in steps]}).all()
    named = {int(row[0]): (int(row[1]), str(row[2])) for row in found}
    of_row: dict[int, list[DebtStep]] = {}
    for step in steps:
        statement = named.get(step.id, (None, ""))
        of_row.setdefault(step.claw_back_id, []).append(
            DebtStep(step.kind, step.amount_minor, step.recorded_at, *statement)
        )
    return [_debt(session, row, tuple(of_row.get(row.id, ()))) for row in rows]


def _debt(session: Session, row: ClawBack, steps: tuple[DebtStep, ...]) -> Debt:
    terms = terms_in_force(session, manufacturer_id=row.manufacturer_id, integrator_id=row.party_id, at=row.opened_at)
    settlement = terms.agreement.settlement if terms.agreement is not None else Settlement()
    paid_at = _paid_at(session, row)
    until = paid_at + timedelta(days=settlement.clawback_days) if paid_at is not None else None
    return Debt(row, steps, until, settlement.reserve_bp)


def _paid_at(session: Session, row: ClawBack) -> datetime | None:
    """When the payment came in that went back, where the reader may see it."""
    if row.cause_type == "chargeback":
        cause: Chargeback | Adjustment | None = session.get(Chargeback, row.cause_id)
    else:
        cause = session.get(Adjustment, row.cause_id)
    receipt = session.get(CashReceipt, cause.receipt_id) if cause is not None and cause.receipt_id else None
    return receipt.received_at if receipt is not None else None


def _check(actor: Actor) -> None:
    if actor.side is Side.CUSTOMER or not may_handle_finance(actor):
        raise NotAllowed("What parties have to return is for their finance.")
