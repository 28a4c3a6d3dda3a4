"""From a document's name in the ledger to what a person looks at: a bill item, an invoice, a statement, a transfer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.access import Actor
from portal.adjustments.models import Adjustment, ClawBack, ClawBackStep
from portal.billing.models import BillItem, Invoice, PlanEarning, PlanSale, PlanShare, Share
from portal.billing.packs.models import PackEarning, PackSale, PackShare
from portal.billing.supplements.models import Supplement, SupplementShare
from portal.db import Base
from portal.errors import NotFound
from portal.payments.models import CashReceipt, Chargeback, Intent
from portal.selling.models import Purchase
from portal.settlement.difference_models import ReconciliationDifference
from portal.settlement.models import (
    Disposition,
    Statement,
    StatementApproval,
    StatementLine,
)
from portal.settlement.selfbilling.models import PartyInvoice, SelfBilledDocument

Value = TypeVar("Value")

BIGGEST_ID = 2**63 - 1

# A document's table, the thing a person looks at, and that thing's id in the table's row.
_SHOWN: dict[str, tuple[str, type[Base], InstrumentedAttribute[Any]]] = {
    "bill_item": ("bill_item", BillItem, BillItem.id),
    "share": ("bill_item", Share, Share.bill_item_id),
    "plan_sale": ("plan_month", PlanSale, PlanSale.id),
    "plan_earning": ("plan_month", PlanEarning, PlanEarning.plan_sale_id),
    "plan_share": ("plan_month", PlanShare, PlanShare.plan_sale_id),
    "pack_sale": ("pack", PackSale, PackSale.id),
    "pack_earning": ("pack", PackEarning, PackEarning.pack_sale_id),
    "pack_share": ("pack", PackShare, PackShare.pack_sale_id),
    "supplement": ("supplement", Supplement, Supplement.id),
    "supplement_share": ("supplement", SupplementShare, SupplementShare.supplement_id),
    "invoice": ("invoice", Invoice, Invoice.id),
    "cash_receipt": ("invoice", CashReceipt, CashReceipt.invoice_id),
    "adjustment": ("adjustment", Adjustment, Adjustment.id),
    "chargeback": ("chargeback", Chargeback, Chargeback.id),
    "claw_back": ("claw_back", ClawBack, ClawBack.id),
    "claw_back_step": ("claw_back", ClawBackStep, ClawBackStep.claw_back_id),
    "statement": ("statement", Statement, Statement.id),
    "statement_approval": ("statement", StatementApproval, StatementApproval.statement_id),
    "statement_line": ("statement_line", StatementLine, StatementLine.id),
    "disposition": ("statement", Disposition, Disposition.statement_id),
    "self_billed_document": ("self_billed_document", SelfBilledDocument, SelfBilledDocument.id),
    "party_invoice": ("statement", PartyInvoice, PartyInvoice.statement_id),
    "reconciliation_difference": ("difference", ReconciliationDifference, ReconciliationDifference.id),
}
SHOWN = frozenset({*_SHOWN, "intent"})


def shown_by(session: Session, actor: Actor, document_type: str, document_id: str) -> tuple[str, int]:
    """What shows a document of the actor's own ledger, and its id. *Raises*: NotFound."""
    if document_type == "intent":
        return _of_intent(session, actor, document_id)
    if document_type not in _SHOWN:
        raise NotFound
    kind, table, shown = _SHOWN[document_type]
    columns = table.__table__.c
    wanted = _parsed(document_id, int)
    if not 0 < wanted <= BIGGEST_ID:
        raise NotFound
    found = session.scalar(select(shown).where(columns.id == wanted, columns.manufacturer_id == actor.organisation_id))
    if found is None and document_type == "cash_receipt":
        # Paid ahead: what shows it is the purchase.
        paid = session.scalar(select(CashReceipt.intent_id).where(CashReceipt.id == wanted))
        return _of_intent(session, actor, str(paid))
    if found is None:
        raise NotFound
    return kind, found


def _of_intent(session: Session, actor: Actor, document_id: str) -> tuple[str, int]:
    """An intent shows with what it was planned for: the statement of a transfer, the invoice of a payment."""
    intent = session.get(Intent, _parsed(document_id, UUID))
    if intent is None or intent.manufacturer_id != actor.organisation_id:
        raise NotFound
    if intent.document_type == "purchase":
        return "purchase", session.scalars(select(Purchase.id).where(Purchase.intent_id == intent.id)).one()
    if intent.document_type in _SHOWN:
        return shown_by(session, actor, intent.document_type, intent.document_id)
    invoice_id = session.scalar(select(Invoice.id).where(Invoice.intent_id == intent.id))
    if invoice_id is None:
        raise NotFound
    return "invoice", invoice_id


def _parsed(text: str, kind: Callable[[str], Value]) -> Value:
    try:
        return kind(text)
    except ValueError as error:
        raise NotFound from error
