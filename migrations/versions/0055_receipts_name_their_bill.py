"""Payments of subscriptions from before they named their bill name it: the bill of their amount, in the same order."""

from alembic import op

revision = "0055"
down_revision = "0054"

# A payment that two bills could be of is of the earlier one that no earlier payment took.
NAME_BILLS = """
    UPDATE cash_receipt SET bill_id = found.bill_id
    FROM (
        SELECT paid.id AS receipt_id, bill.id AS bill_id
        FROM (SELECT id, intent_id, amount_minor, tax_minor, row_number() OVER (
                  PARTITION BY intent_id, amount_minor, tax_minor ORDER BY received_at, id) AS place
              FROM cash_receipt WHERE bill_id IS NULL AND intent_id IS NOT NULL) paid
        JOIN provider_subscription ON provider_subscription.intent_id = paid.intent_id
        JOIN (SELECT id, subscription_id, amount_minor, tax_minor, row_number() OVER (
                  PARTITION BY subscription_id, amount_minor, tax_minor ORDER BY covers_from, id) AS place
              FROM subscription_bill
              WHERE NOT EXISTS (SELECT FROM cash_receipt known WHERE known.bill_id = subscription_bill.id)) bill
            ON bill.subscription_id = provider_subscription.id AND bill.place = paid.place
            AND bill.amount_minor + bill.tax_minor = paid.amount_minor AND bill.tax_minor = paid.tax_minor
    ) found
    WHERE found.receipt_id = cash_receipt.id
"""


def upgrade() -> None:
    op.execute("ALTER TABLE cash_receipt DISABLE TRIGGER USER")
    op.execute(NAME_BILLS)
    op.execute("ALTER TABLE cash_receipt ENABLE TRIGGER USER")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
