"""Plans are not ended at Stripe's customer portal any more; one that ends within its minimum term is a finding."""

from alembic import op

revision = "0051"
down_revision = "0050"

_INTENT_KINDS = (
    "'account', 'customer', 'invoice', 'transfer', 'transfer_reversal', 'out_of_band', 'refund', 'credit_note',"
    " 'evidence', 'checkout', 'checkout_expiry', 'subscription_change', 'subscription_end', 'portal_configuration'"
)
_STEPS = (
    "'paying', 'paid', 'failed', 'expired', 'sold', 'unsaleable', 'lapsed', 'ended', 'returned', 'left_early', 'let_go'"
)


def upgrade() -> None:
    op.drop_constraint(op.f("ck_intent_kind"), "intent")
    op.create_check_constraint(op.f("ck_intent_kind"), "intent", f"kind IN ({_INTENT_KINDS})")
    op.drop_constraint(op.f("ck_purchase_step_kind"), "purchase_step")
    op.create_check_constraint(op.f("ck_purchase_step_kind"), "purchase_step", f"kind IN ({_STEPS})")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
