"""Who owes something of a period that is on no invoice yet."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

# Who owes something of a period that is on no invoice; whether it comes to an invoice is seen when it is gathered.
_DEBTORS = text(
    """
    SELECT DISTINCT CASE WHEN item.collector_id = item.integrator_id AND item.integrator_id <> item.manufacturer_id
                              AND item.payer_id = item.customer_id THEN item.collector_id ELSE item.payer_id END AS id
    FROM bill_item item JOIN period ON period.id = item.period_id
    JOIN period upto ON upto.id = :period_id AND period.starts_at <= upto.starts_at
    LEFT JOIN bill_item_reversal gone ON gone.bill_item_id = item.id
    LEFT JOIN invoice_item charged ON charged.bill_item_id = item.id AND charged.kind = 'charge'
    LEFT JOIN invoice_item credited ON credited.bill_item_id = item.id AND credited.kind = 'credit'
    WHERE item.manufacturer_id = upto.manufacturer_id AND item.amount_minor > 0
      AND CASE WHEN gone.id IS NULL THEN charged.id IS NULL
               ELSE charged.id IS NOT NULL AND credited.id IS NULL END
    UNION
    SELECT CASE WHEN sale.collector_id = sale.integrator_id AND sale.integrator_id <> sale.manufacturer_id
                THEN sale.collector_id ELSE sale.payer_id END
    FROM plan_sale sale JOIN period ON period.id = sale.period_id
    JOIN period upto ON upto.id = :period_id AND period.starts_at <= upto.starts_at
    WHERE sale.manufacturer_id = upto.manufacturer_id
      AND NOT EXISTS (SELECT FROM invoice_item charged WHERE charged.plan_sale_id = sale.id)
    UNION
    SELECT CASE WHEN one.collector_id = one.integrator_id AND one.integrator_id <> one.manufacturer_id
                THEN one.collector_id ELSE one.payer_id END
    FROM supplement one JOIN period ON period.id = one.period_id
    JOIN period upto ON upto.id = :period_id AND period.starts_at <= upto.starts_at
    WHERE one.manufacturer_id = upto.manufacturer_id AND one.amount_minor <> 0
      AND NOT EXISTS (SELECT FROM invoice_item charged WHERE charged.supplement_id = one.id)
    UNION
    SELECT sale.payer_id
    FROM pack_sale sale JOIN period ON period.id = sale.period_id
    JOIN period upto ON upto.id = :period_id AND period.starts_at <= upto.starts_at
    WHERE sale.manufacturer_id = upto.manufacturer_id AND sale.paid_by = 'invoice'
      AND NOT EXISTS (SELECT FROM invoice_item charged WHERE charged.pack_sale_id = sale.id)
    ORDER BY id
    """
)


def debtors_to_invoice(session: Session, period_id: int) -> Sequence[int]:
    """Who owes something up to a period that is on no invoice yet, by id."""
    return session.scalars(_DEBTORS, {"period_id": period_id}).all()
