"""Money that came in and could not become a sale: why, since when, who acts, and selling it after all.

It stays the payer's (prepaid) until finance refunds it or makes the sale; nothing is lost meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.adjustments.ahead import paid_for
from portal.adjustments.queries import open_chargeback, refundable_minor
from portal.audit import actions as audit
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.payments.models import CashReceipt, Intent
from portal.selling.models import Purchase, PurchaseStep
from portal.selling.queries import Bought, bought
from portal.selling.rules import Step

LONGEST_REASON = 500
UNKNOWN = "It was paid at a checkout that no order here belongs to."
RECORDING = "The payment has arrived and is being recorded; this takes a minute."


@dataclass(frozen=True)
class Unsold:
    """A payment ahead that is not a sale: ``purchase`` None where no order is known."""

    receipt: CashReceipt
    purchase: Purchase | None
    name: str
    reason: str
    waits_for: str
    rest_minor: int

    @property
    def since(self) -> datetime:
        """When it came in."""
        return self.receipt.received_at


def unsold_payments(session: Session, actor: Actor, *, most: int = 200) -> list[Unsold]:
    """Payments ahead of the actor's manufacturer that are not a sale, the oldest first. *Raises*: NotAllowed."""
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("This is for the manufacturer's finance.")
    sold = select(PurchaseStep.id).where(
        PurchaseStep.purchase_id == Purchase.id, PurchaseStep.kind.in_((Step.SOLD, Step.RETURNED))
    )
    rows = session.execute(
        select(CashReceipt, Purchase)
        .join(Intent, Intent.id == CashReceipt.intent_id)
        .outerjoin(Purchase, Purchase.intent_id == Intent.id)
        .where(CashReceipt.manufacturer_id == actor.organisation_id, ~sold.exists())
        .order_by(CashReceipt.received_at, CashReceipt.id)
        .limit(most)
    ).all()
    found = [_unsold(session, row[0], row[1]) for row in rows]
    return [each for each in found if each.rest_minor or each.waits_for]


def _unsold(session: Session, receipt: CashReceipt, purchase: Purchase | None) -> Unsold:
    steps = bought(session, purchase).steps if purchase is not None else {}
    reason = UNKNOWN if purchase is None else RECORDING
    if Step.UNSALEABLE in steps:
        reason = str(steps[Step.UNSALEABLE].details.get("reason", ""))
    rest = refundable_minor(session, receipt)
    waits = "Finance" if purchase is None or Step.UNSALEABLE in steps else "Nobody: a job"
    if open_chargeback(session, receipt.id) is not None:
        waits = "The payer's bank"
    elif not rest and paid_for(session, receipt).payment.gone_minor < receipt.amount_minor:
        waits = "A refund under way"
    elif not rest:
        waits = ""
    name = purchase.name if purchase is not None else "A payment"
    return Unsold(receipt, purchase, name, reason, waits, rest)


def sell_after_all(session: Session, actor: Actor, purchase_id: int, *, reason: str, now: datetime) -> None:
    """Have finance make the sale that was refused; a job tries it and says what still stands in its way.

    *Raises*: NotAllowed, NotFound, Invalid, Conflict for what is sold or has gone back.
    """
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("This is for the manufacturer's finance.")
    found = unsold_purchase(session, actor, purchase_id)
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise Invalid("Say why.", {"reason": f"Say why, in 1 to {LONGEST_REASON} characters."})
    audit.record(session, actor, "sell_after_all", "purchase", purchase_id, details={"reason": reason.strip()}, now=now)
    enqueue(session, "sell_after_all", purchase_id=found.purchase.id)


def unsold_purchase(session: Session, actor: Actor, purchase_id: int) -> Bought:
    """A purchase of the actor's manufacturer that was paid and not sold. *Raises*: NotFound, Conflict."""
    row = session.get(Purchase, purchase_id)
    if row is None or row.manufacturer_id != actor.organisation_id:
        raise NotFound
    found = bought(session, row)
    if Step.UNSALEABLE not in found.steps or {Step.SOLD, Step.RETURNED} & set(found.steps):
        raise Conflict("This is sold already, or went back.")
    return found
