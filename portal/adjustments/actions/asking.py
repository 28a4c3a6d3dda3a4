"""What people do about adjustments: ask for one, decide on somebody else's, agree to a fall of one's own share.

Invariants: who asked never decides; a second person is asked above the asker's limit, and the integrator wherever its
share would fall by a gift of the manufacturer or is named; money follows by job.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side, may_administer, may_handle_finance
from portal.adjustments import queries
from portal.adjustments.dividing import LineLoss, Taking, charged_lines, divide, settlement_terms, source_of
from portal.adjustments.models import Adjustment, AdjustmentConsent, AdjustmentDecision, AdjustmentLimit
from portal.adjustments.rules.asking import (
    BEARERS,
    INTEGRATOR,
    KINDS,
    MANUFACTURER,
    REFUND,
    SIGNED,
    limit_minor,
    may_ask,
    needs_consent,
    needs_second_person,
)
from portal.adjustments.rules.sharing import by_party
from portal.billing.models import Invoice
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from portal.jobs import enqueue
from portal.payments.cash import BORNE, OUT_OF_BAND
from portal.payments.models import CashReceipt

LONGEST_REASON = 500
LONGEST_EXPLANATION = 2_000
LONGEST_REFERENCE = 100
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for. ``invoice_item_id`` None means the whole invoice, ``receipt_id`` names what was paid."""

    kind: str
    amount_minor: int
    reason: str
    bearer: str = SIGNED
    invoice_item_id: int | None = None
    receipt_id: int | None = None
    reference: str = ""


@dataclass(frozen=True)
class Preview:
    """What would happen: who loses what, whose yes is needed, and whether a second person is."""

    invoice: Invoice
    losses: tuple[LineLoss, ...]
    by_party: dict[int | None, int]
    consent_of: int | None
    needs_second: bool
    receipt: CashReceipt | None
    payout_order: str


def preview(session: Session, actor: Actor, invoice_id: int, wanted: Wanted, *, now: datetime) -> Preview:
    """What asking for it would come to; nothing is stored.

    *Raises*: NotAllowed, NotFound, Invalid at the field, RuleBroken during a chargeback.
    """
    invoice = _invoice(session, actor, invoice_id, wanted.kind)
    receipt = _receipt(session, invoice, wanted)
    _check(session, invoice, receipt, wanted)
    integrators = _integrators(session, invoice, wanted.invoice_item_id)
    taking = Taking(
        manufacturer_id=invoice.manufacturer_id,
        invoice_id=invoice.id,
        invoice_item_id=wanted.invoice_item_id,
        amount_minor=wanted.amount_minor,
        bearer_id=_bearer_id(invoice, wanted, integrators),
        paid_at=receipt.received_at if receipt else None,
    )
    losses = divide(session, taking, now=now)
    lost = by_party([part for loss in losses for part in loss.parts])
    losing = [party for party, minor in lost.items() if party is not None and minor > 0]
    asked = needs_consent(wanted.kind, wanted.bearer, losing, integrators)
    if len(asked) > 1:
        raise Invalid("Several integrators would have to agree.", {"line": "Choose one line of the invoice."})
    limit = limit_minor(queries.limits(session, actor.organisation_id, invoice.currency), wanted.kind, actor.roles)
    outside = receipt is not None and receipt.source == OUT_OF_BAND
    return Preview(
        invoice,
        losses,
        lost,
        next(iter(asked), None),
        needs_second_person(wanted.amount_minor, limit, is_outside_stripe=outside),
        receipt,
        settlement_terms(session, losses[0].item).refund_order,
    )


def ask(session: Session, actor: Actor, invoice_id: int, wanted: Wanted, *, now: datetime) -> Adjustment:
    """Ask for an adjustment; it is carried out at once where nobody else has to agree.

    *Raises*: NotAllowed, NotFound, Invalid at the field, RuleBroken during a chargeback.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"cash:{invoice_id}"})
    shown = preview(session, actor, invoice_id, wanted, now=now)
    invoice = shown.invoice
    adjustment = Adjustment(
        manufacturer_id=invoice.manufacturer_id,
        payer_id=invoice.payer_id,
        invoice_id=invoice.id,
        invoice_item_id=wanted.invoice_item_id,
        receipt_id=wanted.receipt_id,
        kind=wanted.kind,
        bearer=wanted.bearer,
        bearer_id=shown.losses[0].parts[0].party_id if wanted.bearer != SIGNED else None,
        consent_of=shown.consent_of,
        payout_order=shown.payout_order,
        needs_second=shown.needs_second,
        currency=invoice.currency,
        amount_minor=wanted.amount_minor,
        reason=wanted.reason.strip(),
        reference=wanted.reference.strip(),
        asked_by=actor.person_id,
        asked_at=now,
    )
    session.add(adjustment)
    session.flush()
    if shown.consent_of is not None or shown.needs_second:
        enqueue(session, "notify_adjustment_asked", adjustment_id=adjustment.id)
    else:
        enqueue(session, "advance_adjustment", adjustment_id=adjustment.id)
    return adjustment


def decide(
    session: Session, actor: Actor, adjustment_id: int, *, outcome: str, explanation: str, now: datetime
) -> AdjustmentDecision:
    """Somebody else of the manufacturer's finance says yes or no.

    *Raises*: NotAllowed, also for the person who asked; NotFound; Invalid; Conflict when it is decided already.
    """
    adjustment = queries.adjustment_seen(session, actor, adjustment_id)
    queries.check_finance(actor)
    if adjustment.manufacturer_id != actor.organisation_id:
        raise NotFound
    if adjustment.asked_by == actor.person_id:
        raise NotAllowed("An adjustment is decided by somebody other than the person who asked for it.")
    if not adjustment.needs_second:
        raise Conflict("Nobody has to decide on this: the person who asked may do so alone.")
    _check_answer(outcome, explanation)
    if outcome == YES and adjustment.receipt_id is not None:
        _check_free(session, adjustment.receipt_id)
    made = session.scalar(
        insert(AdjustmentDecision)
        .values(
            adjustment_id=adjustment.id,
            manufacturer_id=adjustment.manufacturer_id,
            asked_by=adjustment.asked_by,
            outcome=outcome,
            explanation=explanation.strip(),
            decided_by=actor.person_id,
            decided_at=now,
        )
        .on_conflict_do_nothing()
        .returning(AdjustmentDecision.id)
    )
    if made is None:
        raise Conflict("This is decided already.")
    enqueue(session, "advance_adjustment", adjustment_id=adjustment.id)
    return session.get_one(AdjustmentDecision, made)


def answer(
    session: Session, actor: Actor, adjustment_id: int, *, outcome: str, explanation: str, now: datetime
) -> AdjustmentConsent:
    """The integrator whose share would fall says yes or no.

    *Raises*: NotAllowed, NotFound, Invalid, Conflict when it is answered already.
    """
    adjustment = queries.adjustment_seen(session, actor, adjustment_id)
    if adjustment.consent_of != actor.organisation_id or not may_consent(actor):
        raise NotAllowed("This is answered by the finance or service manager of the integrator whose share falls.")
    _check_answer(outcome, explanation)
    made = session.scalar(
        insert(AdjustmentConsent)
        .values(
            adjustment_id=adjustment.id,
            manufacturer_id=adjustment.manufacturer_id,
            party_id=actor.organisation_id,
            outcome=outcome,
            explanation=explanation.strip(),
            answered_by=actor.person_id,
            answered_at=now,
        )
        .on_conflict_do_nothing()
        .returning(AdjustmentConsent.id)
    )
    if made is None:
        raise Conflict("This is answered already.")
    enqueue(session, "advance_adjustment", adjustment_id=adjustment.id)
    return session.get_one(AdjustmentConsent, made)


def may_consent(actor: Actor) -> bool:
    """An integrator's share is its finance's or service manager's to give up."""
    return actor.side is Side.INTEGRATOR and actor.has(Role.FINANCE, Role.SERVICE_MANAGER)


def set_limit(
    session: Session, actor: Actor, *, role: str, currency: str, amount_minor: int, now: datetime
) -> AdjustmentLimit:
    """Up to how much one person of a role may adjust alone, from now on. *Raises*: NotAllowed, Invalid."""
    if actor.side is not Side.MANUFACTURER or not may_administer(actor):
        raise NotAllowed("Limits are set by the manufacturer's administrator.")
    if role not in (Role.FINANCE, Role.SUPPORT_LEAD):
        raise Invalid("Choose a role.", {"role": "Finance or support lead."})
    if amount_minor < 0:
        raise Invalid("The limit is zero or more.", {"amount": "Zero means that every adjustment takes two people."})
    made = AdjustmentLimit(
        manufacturer_id=actor.organisation_id,
        role=role,
        currency=currency,
        amount_minor=amount_minor,
        set_by=actor.person_id,
        set_at=now,
    )
    session.add(made)
    session.flush()
    return made


def _invoice(session: Session, actor: Actor, invoice_id: int, kind: str) -> Invoice:
    if actor.side is not Side.MANUFACTURER or not may_ask(kind, actor.roles) or actor.act is not None:
        raise NotAllowed("This is asked for by the manufacturer's finance, some of it by the support lead.")
    found = session.get(Invoice, invoice_id)
    if found is None or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    return found


def _receipt(session: Session, invoice: Invoice, wanted: Wanted) -> CashReceipt | None:
    if wanted.kind != REFUND:
        return None
    found = session.get(CashReceipt, wanted.receipt_id) if wanted.receipt_id is not None else None
    if found is None or found.invoice_id != invoice.id or found.source == BORNE:
        raise Invalid("Choose the payment that goes back.", {"receipt": "Choose the payment that goes back."})
    return found


def _check(session: Session, invoice: Invoice, receipt: CashReceipt | None, wanted: Wanted) -> None:
    problems = {}
    left = queries.refundable_minor(session, receipt) if receipt else queries.creditable_minor(session, invoice)
    if not 0 < wanted.amount_minor <= left:
        what = "of this payment can still go back" if receipt else "is still open and can be credited"
        problems["amount"] = f"More than zero, and at most what {what}."
    if not 1 <= len(wanted.reason.strip()) <= LONGEST_REASON:
        problems["reason"] = f"Say why, in 1 to {LONGEST_REASON} characters: the payer reads it."
    if wanted.bearer not in BEARERS:
        problems["bearer"] = "Choose who bears it."
    if receipt is not None and receipt.source == OUT_OF_BAND and not _is_reference(wanted.reference):
        problems["reference"] = f"The bank's reference of what goes back, 1 to {LONGEST_REFERENCE} characters."
    lines = {item.id for item in charged_lines(session, invoice.id)}
    if not lines:
        raise RuleBroken("The net of a statement is settled by statements, not by refunds or credits.")
    if wanted.invoice_item_id is not None and wanted.invoice_item_id not in lines:
        problems["line"] = "Choose a line of this invoice."
    if problems:
        raise Invalid("It cannot be asked for like this.", problems)
    if receipt is not None:
        _check_free(session, receipt.id)


def _is_reference(reference: str) -> bool:
    return 1 <= len(reference.strip()) <= LONGEST_REFERENCE


def _check_free(session: Session, receipt_id: int) -> None:
    if queries.open_chargeback(session, receipt_id) is not None:
        raise RuleBroken("The payer's bank has taken this payment back; it cannot be refunded until that is decided.")


def _check_answer(outcome: str, explanation: str) -> None:
    if outcome not in (YES, NO):
        raise Invalid("Say yes or no.", {"outcome": "Yes or no."})
    if len(explanation.strip()) > LONGEST_EXPLANATION or (outcome == NO and not explanation.strip()):
        raise Invalid("Say why not.", {"explanation": f"1 to {LONGEST_EXPLANATION} characters."})


def _integrators(session: Session, invoice: Invoice, invoice_item_id: int | None) -> Collection[int]:
    """The integrators of what is adjusted, the manufacturer in their place left out."""
    found: set[int] = set()
    for item in charged_lines(session, invoice.id):
        if invoice_item_id is None or item.id == invoice_item_id:
            found.add(source_of(session, item).integrator_id)
    return found - {invoice.manufacturer_id}


def _bearer_id(invoice: Invoice, wanted: Wanted, integrators: Collection[int]) -> int | None:
    if wanted.bearer == MANUFACTURER:
        return invoice.manufacturer_id
    if wanted.bearer != INTEGRATOR:
        return None
    if len(integrators) != 1:
        raise Invalid("There is no one integrator to bear it.", {"bearer": "Choose one line, or another bearer."})
    return next(iter(integrators))


def may_decide(actor: Actor, adjustment: Adjustment) -> bool:
    """Whether the actor is the second person that an adjustment takes."""
    return (
        actor.side is Side.MANUFACTURER
        and may_handle_finance(actor)
        and actor.organisation_id == adjustment.manufacturer_id
        and actor.person_id != adjustment.asked_by
        and adjustment.needs_second
    )


def kinds_for(actor: Actor) -> list[str]:
    """The kinds that the actor may ask for."""
    return [kind for kind in KINDS if may_ask(kind, actor.roles)] if actor.side is Side.MANUFACTURER else []
