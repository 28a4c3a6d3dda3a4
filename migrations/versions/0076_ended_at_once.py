"""The minutes of a plan that was ended at once go back with what goes back of its month."""

from alembic import op

revision = "0076"
down_revision = "0075"

_CAUSE = "ck_grant_withdrawal_cause"


def upgrade() -> None:
    op.drop_constraint(op.f(_CAUSE), "grant_withdrawal")
    op.create_check_constraint(
        op.f(_CAUSE), "grant_withdrawal", "cause_type IN ('adjustment', 'chargeback', 'given_up')"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
