"""Indexes by which a case's page and its billing find the small rows of one case among those of all."""

from alembic import op

revision = "0024"
down_revision = "0023"

_BY_CASE = (
    "clock_closing",
    "pause_end",
    "resolution_answer",
    "challenge_step",
    "challenge_proposal",
    "challenge_decision",
    "authorization_balance",
    "authorization_refusal",
    "emergency_refusal",
    "reservation_release",
    "grant_draw",
)


def upgrade() -> None:
    for table in _BY_CASE:
        op.create_index(f"ix_{table}_case_id", table, ["case_id"])


def downgrade() -> None:
    for table in _BY_CASE:
        op.drop_index(f"ix_{table}_case_id", table)
