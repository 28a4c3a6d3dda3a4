"""A subscription is changed to another plan by an intent of its own."""

from alembic import op

revision = "0059"
down_revision = "0058"

_INTENT_KINDS = (
    "'account', 'customer', 'invoice', 'transfer', 'transfer_reversal', 'out_of_band', 'refund', 'credit_note',"
    " 'evidence', 'checkout', 'checkout_expiry', 'subscription_change', 'subscription_end', 'portal_configuration',"
    " 'plan_change'"
)


def upgrade() -> None:
    op.drop_constraint(op.f("ck_intent_kind"), "intent")
    op.create_check_constraint(op.f("ck_intent_kind"), "intent", f"kind IN ({_INTENT_KINDS})")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
