"""What follows from an approval, by job: dispositions, their postings, and the calls that move the money.

Invariants: all parts of an approval are stored by one statement and sum to it; each is posted once; a transfer leaves
as an intent planned in the same transaction. What was held leaves as ``releasing`` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from portal.billing.models import Invoice
from portal.errors import Conflict, NotFound
from portal.jobs import enqueue
from portal.ledger.models import Period
from portal.ledger.rules import Document, Purpose
from portal.payments.actions import invoice_intent, keep_intent, plan_reversal
from portal.payments.models import Intent
from portal.payments.rules import TRANSFER_HELD, InvoiceLine
from portal.settlement import queries, rules
from portal.settlement.models import Disposition, Statement, StatementApproval, StatementPreparation
from portal.settlement.posting import Posting, post_of, transfer_of
from portal.settlement.rules import INVOICED, TRANSFERRED
from portal.settlement.selfbilling import issuing
from portal.settlement.selfbilling.rules import billing_of_plan
from portal.zones import local_day


def dispose(session: Session, approval_id: int, *, livemode: bool, now: datetime) -> Sequence[Disposition]:
    """Carry out what was approved, once; the same approval again is harmless. *Raises*: NotFound."""
    approval = session.get(StatementApproval, approval_id)
    if approval is None:
        raise NotFound
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"dispose:{approval_id}"})
    done = queries.dispositions_of(session, approval.statement_id)
    if done:
        return done
    statement = session.get_one(Statement, approval.statement_id)
    preparation = session.get_one(StatementPreparation, approval.preparation_id)
    parts = rules.parts_of(preparation.plan)
    rules.check_whole(parts, approval.amount_minor)
    amounts = _still_possible(session, statement, rules.by_kind(parts))
    billing = billing_of_plan(preparation.plan)
    if billing is not None:
        issuing.issue(session, statement, approval, billing, livemode=livemode, now=now)
    if not amounts:
        return ()
    taxes = issuing.taxes_with(session, statement, amounts)
    rows = [
        _row(session, statement, approval, kind=kind, part=(minor, taxes.get(kind, 0)), livemode=livemode, now=now)
        for kind, minor in amounts.items()
    ]
    session.execute(insert(Disposition).values(rows))
    made = queries.dispositions_of(session, statement.id)
    for disposition in (each for each in made if each.amount_minor):
        _post_disposal(session, statement, disposition, person_id=approval.approver_id, livemode=livemode, now=now)
    issuing.keep_taxes(session, statement, made, taxes, livemode=livemode, now=now)
    if rules.waits_for_account(parts):
        # The account may have become able to receive transfers since the plan was approved.
        enqueue(session, TRANSFER_HELD)
    return made


def _row(
    session: Session,
    statement: Statement,
    approval: StatementApproval,
    *,
    kind: str,
    part: tuple[int, int],
    livemode: bool,
    now: datetime,
) -> dict[str, object]:
    """A part of the net, and the intent that carries it out with the tax that goes along."""
    amount_minor, tax_minor = part
    intent_id: UUID | None = None
    if kind == TRANSFERRED and amount_minor < 0:
        intent_id = _take_back(session, statement, approval, -amount_minor, now=now).id
    elif kind == TRANSFERRED:
        paid = amount_minor + tax_minor
        intent_id = transfer_of(session, statement, approval.id, paid, livemode=livemode, now=now).id
    elif kind == INVOICED:
        owed = (-amount_minor, -tax_minor)
        intent_id = _invoice(session, statement, approval, owed, livemode=livemode, now=now).id
    return {
        "approval_id": approval.id,
        "statement_id": statement.id,
        "manufacturer_id": statement.manufacturer_id,
        "party_id": statement.party_id,
        "kind": kind,
        "currency": statement.currency,
        "amount_minor": amount_minor,
        "intent_id": intent_id,
        "disposed_at": now,
    }


def _still_possible(session: Session, statement: Statement, amounts: dict[str, int]) -> dict[str, int]:
    """The amounts by kind; what no transfer holds any longer is invoiced instead of taken back."""
    owed = -amounts.get(TRANSFERRED, 0)
    if owed <= 0:
        return amounts
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"reverse:{statement.manufacturer_id}:{statement.party_id}"})
    if queries.transfer_to_reverse(session, statement, owed) is not None:
        return amounts
    return {INVOICED: -owed, **{kind: minor for kind, minor in amounts.items() if kind != TRANSFERRED}}


def _take_back(
    session: Session, statement: Statement, approval: StatementApproval, amount_minor: int, *, now: datetime
) -> Intent:
    """What the party owes comes back out of a transfer that it got."""
    transfer = queries.transfer_to_reverse(session, statement, amount_minor)
    if transfer is None:
        raise Conflict("The transfer that was to be taken back is taken back already.")
    return plan_reversal(
        session,
        transfer,
        amount_minor=amount_minor,
        document=Document("statement_approval", str(approval.id)),
        description=f"Statement {statement.name}",
        now=now,
    )


def _invoice(
    session: Session,
    statement: Statement,
    approval: StatementApproval,
    owed: tuple[int, int],
    *,
    livemode: bool,
    now: datetime,
) -> Intent:
    """A party that owes its net is invoiced like a customer, on the agreed terms; its cash settles what it owes."""
    plan = session.get_one(StatementPreparation, approval.preparation_id).plan
    days_to_pay = int(plan.get("payment_days", rules.PAYMENT_DAYS))
    number: int = session.scalars(select(func.next_number(statement.manufacturer_id, "invoice"))).one()
    period = session.get_one(Period, statement.period_id)
    name = f"{statement.name}-N"
    net_minor, tax_minor = owed
    lines = [InvoiceLine(f"Net of statement {statement.name}, {period.label}", net_minor)]
    if tax_minor:
        lines.append(InvoiceLine("Tax on it", tax_minor))
    intent = keep_intent(
        session,
        invoice_intent(
            manufacturer_id=statement.manufacturer_id,
            payer_id=statement.party_id,
            currency=statement.currency,
            lines=lines,
            days_until_due=days_to_pay,
            document=Document("statement_approval", str(approval.id)),
            name=name,
            livemode=livemode,
            now=now,
            receivable=Purpose.PARTY_RECEIVABLE,
        ),
    )
    used = select(func.coalesce(func.max(Invoice.part), 0)).where(
        Invoice.manufacturer_id == statement.manufacturer_id,
        Invoice.payer_id == statement.party_id,
        Invoice.currency == statement.currency,
        Invoice.period_id == statement.period_id,
    )
    session.add(
        Invoice(
            manufacturer_id=statement.manufacturer_id,
            payer_id=statement.party_id,
            collector_id=statement.manufacturer_id,
            seller_of_record_id=statement.manufacturer_id,
            period_id=statement.period_id,
            part=(session.scalar(used) or 0) + 1,
            number=number,
            name=name,
            currency=statement.currency,
            total_minor=net_minor + tax_minor,
            due_on=rules.due_on(local_day(period.zone, now), days_to_pay),
            intent_id=intent.id,
            issued_at=now,
        )
    )
    session.flush()
    return intent


def _post_disposal(
    session: Session, statement: Statement, disposition: Disposition, *, person_id: int, livemode: bool, now: datetime
) -> None:
    document = Document("disposition", str(disposition.id))
    legs = rules.disposal_legs(
        disposition.kind,
        disposition.amount_minor,
        statement.party_id,
        approval=Document("statement_approval", str(disposition.approval_id)),
        disposition=document,
    )
    description = f"{rules.WORDS[disposition.kind]}: {statement.name}"
    posting = Posting(f"disposed_{disposition.kind}", document, legs, description, person_id)
    post_of(session, statement, posting, livemode=livemode, now=now)


def sweep_approvals(session: Session) -> int:
    """Enqueue again approvals whose job was lost; how many."""
    lost = session.scalars(_UNDISPOSED).all()
    for approval_id in lost:
        enqueue(session, "dispose_approval", approval_id=approval_id)
    return len(lost)


_UNDISPOSED = text(
    """
    SELECT approval.id FROM statement_approval approval
    JOIN statement_preparation preparation ON preparation.id = approval.preparation_id
    WHERE jsonb_array_length(preparation.plan -> 'parts') > 0
      AND NOT EXISTS (SELECT FROM disposition WHERE disposition.approval_id = approval.id)
    ORDER BY approval.id LIMIT 500
    """
)
