"""Certifications of taxpayers: the number sealed, its end readable for finance of the company and of who pays it."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"

_OWN = "organisation_id = portal_organisation()"

_TAXPAYER_OF = """
CREATE FUNCTION taxpayer_of(company bigint) RETURNS jsonb LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT jsonb_build_object(
        'form', said.form, 'classification', said.classification, 'certified_name', said.certified_name,
        'number_type', said.number_type, 'last_four', said.last_four, 'certified_on', said.certified_on)
    FROM taxpayer_form said WHERE said.organisation_id = company ORDER BY said.id DESC LIMIT 1
$$
"""
_KNOWN = """
CREATE FUNCTION known_taxpayer(company bigint) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT taxpayer_of(company)
    WHERE portal_organisation() = company
       OR EXISTS (SELECT FROM statement WHERE manufacturer_id = portal_organisation() AND party_id = company)
$$
"""


def upgrade() -> None:
    texts = ("form", "classification", "certified_name", "number_type", "last_four")
    op.create_table(
        "taxpayer_form",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("number_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("certified_on", sa.Date(), nullable=False),
        sa.Column("recorded_by", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taxpayer_form")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_taxpayer_form_organisation_id")
        ),
        sa.ForeignKeyConstraint(["recorded_by"], ["person.id"], name=op.f("fk_taxpayer_form_recorded_by")),
        sa.CheckConstraint("form IN ('W-9', 'W-8BEN-E')", name=op.f("ck_taxpayer_form_form")),
        sa.CheckConstraint("number_type IN ('EIN', 'SSN', 'foreign')", name=op.f("ck_taxpayer_form_number_type")),
        sa.CheckConstraint("length(last_four) = 4", name=op.f("ck_taxpayer_form_last_four")),
    )
    op.create_index("ix_taxpayer_form_organisation_id", "taxpayer_form", ["organisation_id", "id"])
    op.execute("ALTER TABLE taxpayer_form ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON taxpayer_form TO portal_web USING ({_OWN}) WITH CHECK ({_OWN})")
    op.execute("CREATE POLICY work ON taxpayer_form TO portal_work USING (true) WITH CHECK (true)")
    op.execute("REVOKE ALL ON taxpayer_form FROM portal_web, portal_work")
    op.execute("GRANT SELECT, INSERT ON taxpayer_form TO portal_web, portal_work")
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON taxpayer_form"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(_TAXPAYER_OF)
    op.execute(_KNOWN)
    for function in ("taxpayer_of(bigint)", "known_taxpayer(bigint)"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION taxpayer_of(bigint) TO portal_work")
    op.execute("GRANT EXECUTE ON FUNCTION known_taxpayer(bigint) TO portal_web, portal_work")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
