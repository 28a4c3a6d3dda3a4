"""How strong a provider's sign-in has to show itself, and a way to the provider to confirm an act by it.

What was typed into the interrupted form waits sealed on the row of that way, until it comes back.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

PURPOSES = "'sign_in', 'link', 'invitation', 'test'"


def upgrade() -> None:
    op.add_column(
        "identity_provider",
        sa.Column("must_show_factor", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("identity_provider", sa.Column("acr_values", sa.Text(), server_default="", nullable=False))
    op.add_column("provider_flow", sa.Column("kept_sealed", sa.LargeBinary(), nullable=True))
    op.create_check_constraint(
        op.f("ck_provider_flow_kept_for_step_up"), "provider_flow", "kept_sealed IS NULL OR purpose = 'step_up'"
    )
    _allow(f"{PURPOSES}, 'step_up'")


def downgrade() -> None:
    op.execute("DELETE FROM provider_flow WHERE purpose = 'step_up'")
    _allow(PURPOSES)
    op.drop_constraint(op.f("ck_provider_flow_kept_for_step_up"), "provider_flow", type_="check")
    op.drop_column("provider_flow", "kept_sealed")
    for name in ("acr_values", "must_show_factor"):
        op.drop_column("identity_provider", name)


def _allow(purposes: str) -> None:
    op.drop_constraint(op.f("ck_provider_flow_purpose"), "provider_flow", type_="check")
    op.create_check_constraint(op.f("ck_provider_flow_purpose"), "provider_flow", f"purpose IN ({purposes})")
