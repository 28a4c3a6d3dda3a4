"""Files of a year's forms with the numbers that are sealed: asked for by one person, allowed by another, for a day."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"

_MAKER = "manufacturer_id = portal_organisation()"
# The only way to a sealed number of another company: its payer, by two people, of whom it settles with, for a day.
_NUMBERS = """
CREATE FUNCTION sealed_taxpayer_numbers(request bigint, at timestamptz)
    RETURNS TABLE (organisation_id bigint, number_sealed bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT ON (known.organisation_id) known.organisation_id, known.number_sealed
    FROM taxpayer_form known
    WHERE EXISTS (SELECT FROM filing_request wanted JOIN filing_approval said ON said.request_id = wanted.id
                  WHERE wanted.id = request AND wanted.manufacturer_id = portal_organisation()
                    AND said.approved_at <= at AND said.approved_at > at - interval '1 day')
      AND EXISTS (SELECT FROM statement
                  WHERE manufacturer_id = portal_organisation() AND party_id = known.organisation_id)
    ORDER BY known.organisation_id, known.id DESC
$$
"""


def upgrade() -> None:
    op.create_table(
        "filing_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filing_request")),
        _reference("filing_request", "manufacturer_id", "organisation"),
        _reference("filing_request", "asked_by", "person"),
        sa.UniqueConstraint("id", "asked_by", name=op.f("uq_filing_request_id_asked_by")),
    )
    op.create_index("ix_filing_request_manufacturer_id", "filing_request", ["manufacturer_id", "year"])
    op.create_table(
        "filing_approval",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.BigInteger(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filing_approval")),
        _reference("filing_approval", "manufacturer_id", "organisation"),
        _reference("filing_approval", "approved_by", "person"),
        sa.ForeignKeyConstraint(
            ["request_id", "asked_by"],
            ["filing_request.id", "filing_request.asked_by"],
            name=op.f("fk_filing_approval_request_id_asked_by"),
        ),
        sa.UniqueConstraint("request_id", name=op.f("uq_filing_approval_request_id")),
        sa.CheckConstraint("approved_by <> asked_by", name=op.f("ck_filing_approval_four_eyes")),
    )
    for table in ("filing_request", "filing_approval"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({_MAKER}) WITH CHECK ({_MAKER})")
        op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
        op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_web, portal_work")
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(_NUMBERS)
    op.execute("REVOKE ALL ON FUNCTION sealed_taxpayer_numbers(bigint, timestamptz) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION sealed_taxpayer_numbers(bigint, timestamptz) TO portal_web")


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"))


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
