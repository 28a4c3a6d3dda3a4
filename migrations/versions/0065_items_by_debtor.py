"""Bill items are found by the integrator that collected them, as they are by their payer."""

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"


def upgrade() -> None:
    collects = "collector_id = integrator_id AND integrator_id <> manufacturer_id AND payer_id = customer_id"
    op.create_index("ix_bill_item_collected", "bill_item", ["collector_id", "id"], postgresql_where=sa.text(collects))


def downgrade() -> None:
    op.drop_index("ix_bill_item_collected", table_name="bill_item")
