"""The invoice of a change at once names the change, and what it took off for what had been paid before."""

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"


def upgrade() -> None:
    op.add_column("subscription_bill", sa.Column("change_intent_id", sa.Uuid(), nullable=True))
    op.add_column("subscription_bill", sa.Column("credit_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.create_foreign_key(
        op.f("fk_subscription_bill_change_intent_id_intent"),
        "subscription_bill",
        "intent",
        ["change_intent_id"],
        ["id"],
    )
    op.create_unique_constraint(
        op.f("uq_subscription_bill_change_intent_id"), "subscription_bill", ["change_intent_id"]
    )
    op.create_check_constraint(
        op.f("ck_subscription_bill_credit"),
        "subscription_bill",
        "credit_minor >= 0 AND (credit_minor = 0 OR change_intent_id IS NOT NULL)",
    )
    op.drop_constraint(op.f("ck_grant_extension_reason"), "grant_extension")
    op.create_check_constraint(
        op.f("ck_grant_extension_reason"), "grant_extension", "reason IN ('rolled_over', 'topped_up', 'changed')"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
