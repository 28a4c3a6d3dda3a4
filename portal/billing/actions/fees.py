"""The provider's fee of a payment is borne by the party that the signed agreements name.

A fee is an expense of the operator's when the cash is booked. Where the agreement behind a line of the invoice names
another party, that line's part of the fee is taken from what this party has coming, once per receipt. Without an
agreement, and for the net of a statement, the operator bears it.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.models import BillItem, Invoice, InvoiceItem, PlanSale
from portal.billing.packs.models import PackSale
from portal.billing.parties import parties_of
from portal.billing.supplements.models import Supplement
from portal.contracts.blocks import Company
from portal.contracts.models import DocumentVersion
from portal.contracts.queries import agreement_of
from portal.contracts.sharing import OPERATOR
from portal.entitlement.queries import terms_in_force
from portal.ledger.actions import post
from portal.ledger.rules import Document, Purpose, credit, debit, pairs
from portal.money import allocate
from portal.payments.models import CashReceipt

CHARGED = "fee_borne"
FEE_PAIRS = pairs((Purpose.PAYABLE, Purpose.FEES))


def charge_fee(session: Session, receipt: CashReceipt, *, now: datetime) -> int:
    """Take a receipt's fee from those who bear it; how much. Again adds nothing."""
    if not receipt.fee_minor:
        return 0
    rows = session.execute(
        select(InvoiceItem.amount_minor, BillItem, PlanSale, PackSale, Supplement)
        .outerjoin(BillItem, BillItem.id == InvoiceItem.bill_item_id)
        .outerjoin(PlanSale, PlanSale.id == InvoiceItem.plan_sale_id)
        .outerjoin(PackSale, PackSale.id == InvoiceItem.pack_sale_id)
        .outerjoin(Supplement, Supplement.id == InvoiceItem.supplement_id)
        .where(InvoiceItem.invoice_id == receipt.invoice_id, InvoiceItem.amount_minor > 0)
        .order_by(InvoiceItem.position)
    ).all()
    borne: dict[int, int] = defaultdict(int)
    for row, part in zip(rows, allocate(receipt.fee_minor, [row.amount_minor for row in rows]), strict=True):
        bearer_id = _bearer(session, row.BillItem or row.PlanSale or row.PackSale or row.Supplement)
        if bearer_id is not None:
            borne[bearer_id] += part
    legs = [debit(Purpose.PAYABLE, minor, party_id) for party_id, minor in sorted(borne.items()) if minor]
    charged = sum(leg.amount_minor for leg in legs)
    if charged:
        name = session.scalar(select(Invoice.name).where(Invoice.id == receipt.invoice_id))
        post(
            session,
            manufacturer_id=receipt.manufacturer_id,
            # The fee is taken from the balance that the payment came into.
            currency=receipt.settled_currency or receipt.currency,
            kind=CHARGED,
            document=Document("cash_receipt", str(receipt.id)),
            legs=[*legs, credit(Purpose.FEES, charged)],
            allowed_pairs=FEE_PAIRS,
            occurred_at=receipt.received_at,
            now=now,
            description=f"Stripe's fee for the payment of {name}",
            livemode=receipt.livemode,
        )
    return charged


def _bearer(session: Session, source: BillItem | PlanSale | PackSale | Supplement) -> int | None:
    """Who bears the fee of a line, if it is not the operator, whose expense it is already."""
    if not isinstance(source, PlanSale):
        version_id = source.agreement_version_id
        agreement = agreement_of(session.get_one(DocumentVersion, version_id)) if version_id is not None else None
    else:
        terms = terms_in_force(
            session, manufacturer_id=source.manufacturer_id, integrator_id=source.integrator_id, at=source.starts_at
        )
        agreement = terms.agreement
    if agreement is None:
        return None
    parties = parties_of(session, source, agreement)
    word = agreement.settlement.stripe_fees_borne_by
    bearer_id = parties.get(word, parties[Company.MANUFACTURER])
    return bearer_id if bearer_id != parties[OPERATOR] else None
