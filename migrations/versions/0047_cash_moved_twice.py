"""The cash of one receipt may move to and from a share more than once, as often as work beside it is billed again."""

from alembic import op

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    op.create_index("ix_cash_application_receipt_id", "cash_application", ["receipt_id"])
    op.drop_constraint(op.f("uq_cash_application_receipt_id_share_id"), "cash_application")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
