"""An offer may come with a promotion code of its manufacturer, where it is paid at Stripe's page."""

import sqlalchemy as sa
from alembic import op

revision = "0073"
down_revision = "0072"


def upgrade() -> None:
    for table in ("offer", "offer_release"):
        op.add_column(table, sa.Column("promotion", sa.Text(), nullable=True))
        op.create_foreign_key(
            op.f(f"fk_{table}_manufacturer_id_promotion_promotion_code"),
            table,
            "promotion_code",
            ["manufacturer_id", "promotion"],
            ["manufacturer_id", "code"],
        )
        op.create_check_constraint(op.f(f"ck_{table}_promotion"), table, "promotion IS NULL OR collector = 'operator'")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
