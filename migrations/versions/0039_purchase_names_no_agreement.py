"""A purchase names no agreement: its buyer cannot read one, and the sale is shared by the one in force then."""

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    op.drop_column("purchase", "agreement_version_id")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
