"""Finance details, self-billing agreements, self-billed documents without gaps, and the tax that goes with payments."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0043"
down_revision = "0042"

_OWN = "organisation_id = portal_organisation()"
_PARTY = "manufacturer_id = portal_organisation() OR party_id = portal_organisation()"
_SQL = "LANGUAGE sql STABLE"
_DEFINER = "SECURITY DEFINER SET search_path = public, pg_temp"

# As JSON, because it is one company: its latest details, and its registrations with the day they really end.
_IDENTITY_OF = f"""
CREATE FUNCTION tax_identity_of(company bigint) RETURNS jsonb {_SQL} SET search_path = public, pg_temp AS $$
    SELECT jsonb_build_object(
        'legal_name', detail.legal_name, 'address', detail.address, 'country', detail.country,
        'is_small_business', detail.is_small_business,
        'registrations', coalesce((
            SELECT jsonb_agg(jsonb_build_object(
                'country', held.country, 'number', held.number, 'valid_from', held.valid_from,
                'valid_to', coalesce(ended.ends_on, held.valid_to)) ORDER BY held.id)
            FROM tax_registration held LEFT JOIN tax_registration_end ended ON ended.registration_id = held.id
            WHERE held.organisation_id = company), '[]'))
    FROM finance_detail detail WHERE detail.organisation_id = company ORDER BY detail.id DESC LIMIT 1
$$
"""
# An organisation knows itself and those it settles with, by a statement or a self-billing agreement.
_KNOWN_IDENTITY = f"""
CREATE FUNCTION known_tax_identity(company bigint) RETURNS jsonb {_SQL} {_DEFINER} AS $$
    SELECT tax_identity_of(company)
    WHERE portal_organisation() = company
       OR EXISTS (SELECT FROM statement WHERE manufacturer_id = portal_organisation() AND party_id = company)
       OR EXISTS (SELECT FROM statement WHERE manufacturer_id = company AND party_id = portal_organisation())
       OR EXISTS (SELECT FROM self_billing_agreement
                  WHERE manufacturer_id = portal_organisation() AND party_id = company)
       OR EXISTS (SELECT FROM self_billing_agreement
                  WHERE manufacturer_id = company AND party_id = portal_organisation())
$$
"""
_NO_GAP = f"""
CREATE FUNCTION self_billed_without_gap() RETURNS trigger LANGUAGE plpgsql {_DEFINER} AS $$
BEGIN
    IF NEW.number <> 1 + coalesce((
        SELECT max(before.number) FROM self_billed_document before
        WHERE before.manufacturer_id = NEW.manufacturer_id AND before.kind = NEW.kind AND before.id <> NEW.id), 0)
    THEN
        RAISE EXCEPTION 'number % leaves a gap in its series', NEW.number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    _create_details()
    _create_agreements()
    _create_documents()
    for table in ("finance_detail", "tax_registration", "tax_registration_end"):
        _guard(table, _OWN, writes="SELECT, INSERT")
    for table in ("self_billing_agreement", "self_billing_acceptance", "self_billing_end", "party_invoice"):
        _guard(table, _PARTY, writes="SELECT, INSERT")
    for table in ("self_billed_document", "disposition_tax"):
        _guard(table, _PARTY, writes="SELECT")
    op.execute(_IDENTITY_OF)
    op.execute(_KNOWN_IDENTITY)
    for function in ("tax_identity_of(bigint)", "known_tax_identity(bigint)"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION tax_identity_of(bigint) TO portal_work")
    op.execute("GRANT EXECUTE ON FUNCTION known_tax_identity(bigint) TO portal_web, portal_work")
    op.execute(_NO_GAP)
    op.execute(
        "CREATE TRIGGER self_billed_without_gap AFTER INSERT ON self_billed_document"
        " FOR EACH ROW EXECUTE FUNCTION self_billed_without_gap()"
    )


def _create_details() -> None:
    op.create_table(
        "finance_detail",
        *_identity("finance_detail"),
        _reference_column("organisation_id"),
        *_texts("legal_name", "address", "country"),
        sa.Column("is_small_business", sa.Boolean(), nullable=False),
        *_said("recorded_by", "recorded_at"),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("ck_finance_detail_country")),
        sa.CheckConstraint("legal_name <> '' AND address <> ''", name=op.f("ck_finance_detail_named")),
        *_references("finance_detail", organisation_id="organisation", recorded_by="person"),
    )
    op.create_index("ix_finance_detail_organisation_id", "finance_detail", ["organisation_id", "id"])
    op.create_table(
        "tax_registration",
        *_identity("tax_registration"),
        _reference_column("organisation_id"),
        *_texts("country", "number"),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        *_said("recorded_by", "recorded_at"),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("ck_tax_registration_country")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_tax_registration_order")),
        *_references("tax_registration", organisation_id="organisation", recorded_by="person"),
    )
    op.create_index("ix_tax_registration_organisation_id", "tax_registration", ["organisation_id", "id"])
    op.create_table(
        "tax_registration_end",
        *_identity("tax_registration_end"),
        _reference_column("registration_id"),
        _reference_column("organisation_id"),
        sa.Column("ends_on", sa.Date(), nullable=False),
        *_said("ended_by", "ended_at"),
        sa.UniqueConstraint("registration_id", name=op.f("uq_tax_registration_end_registration_id")),
        *_references(
            "tax_registration_end",
            registration_id="tax_registration",
            organisation_id="organisation",
            ended_by="person",
        ),
    )


def _create_agreements() -> None:
    op.create_table(
        "self_billing_agreement",
        *_identity("self_billing_agreement"),
        *_companies(),
        *_texts("body", "text_sha256"),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        *_said("offered_by", "offered_at"),
        sa.UniqueConstraint("id", "text_sha256", name=op.f("uq_self_billing_agreement_id_text_sha256")),
        sa.CheckConstraint("expires_on > starts_on", name=op.f("ck_self_billing_agreement_order")),
        sa.CheckConstraint("manufacturer_id <> party_id", name=op.f("ck_self_billing_agreement_two")),
        *_between("self_billing_agreement", offered_by="person"),
    )
    op.create_index(
        "ix_self_billing_agreement_parties", "self_billing_agreement", ["manufacturer_id", "party_id", "id"]
    )
    op.create_table(
        "self_billing_acceptance",
        *_identity("self_billing_acceptance"),
        _reference_column("agreement_id"),
        *_companies(),
        *_texts("text_sha256"),
        *_said("accepted_by", "accepted_at"),
        *_texts("accepted_name"),
        sa.UniqueConstraint("agreement_id", name=op.f("uq_self_billing_acceptance_agreement_id")),
        sa.ForeignKeyConstraint(
            ["agreement_id", "text_sha256"],
            ["self_billing_agreement.id", "self_billing_agreement.text_sha256"],
            name=op.f("fk_self_billing_acceptance_agreement_id_text_sha256"),
        ),
        *_between("self_billing_acceptance", accepted_by="person"),
    )
    op.create_table(
        "self_billing_end",
        *_identity("self_billing_end"),
        _reference_column("agreement_id"),
        *_companies(),
        *_texts("reason"),
        sa.Column("ends_on", sa.Date(), nullable=False),
        *_said("ended_by", "ended_at"),
        sa.UniqueConstraint("agreement_id", name=op.f("uq_self_billing_end_agreement_id")),
        *_between("self_billing_end", agreement_id="self_billing_agreement", ended_by="person"),
    )
    op.create_table(
        "party_invoice",
        *_identity("party_invoice"),
        _reference_column("statement_id"),
        *_companies(),
        *_texts("number"),
        sa.Column("dated_on", sa.Date(), nullable=False),
        *_said("recorded_by", "recorded_at"),
        sa.CheckConstraint("number <> ''", name=op.f("ck_party_invoice_number")),
        *_between("party_invoice", statement_id="statement", recorded_by="person"),
    )
    op.create_index("ix_party_invoice_statement_id", "party_invoice", ["statement_id", "id"])


def _create_documents() -> None:
    op.create_table(
        "self_billed_document",
        *_identity("self_billed_document"),
        *_companies(),
        *(_reference_column(name) for name in ("statement_id", "approval_id", "agreement_id")),
        *_texts("kind"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        *_texts("name", "currency"),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("net_minor", "tax_minor", "gross_minor")),
        sa.Column("content", postgresql.JSONB(none_as_null=True), nullable=False),
        *_texts("content_sha256"),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("statement_id", name=op.f("uq_self_billed_document_statement_id")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_self_billed_document_approval_id")),
        sa.UniqueConstraint(
            "manufacturer_id", "kind", "number", name=op.f("uq_self_billed_document_manufacturer_id_kind_number")
        ),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name=op.f("ck_self_billed_document_kind")),
        sa.CheckConstraint("gross_minor = net_minor + tax_minor", name=op.f("ck_self_billed_document_gross")),
        sa.CheckConstraint(
            "CASE kind WHEN 'invoice' THEN net_minor > 0 ELSE net_minor < 0 END",
            name=op.f("ck_self_billed_document_sign"),
        ),
        sa.CheckConstraint(
            "(kind = 'invoice' AND NOT content ? 'corrects') OR"
            " (kind = 'credit_note' AND jsonb_array_length(content -> 'corrects') > 0)",
            name=op.f("ck_self_billed_document_corrects"),
        ),
        *_between(
            "self_billed_document",
            statement_id="statement",
            approval_id="statement_approval",
            agreement_id="self_billing_agreement",
        ),
    )
    op.create_index("ix_self_billed_document_party_id", "self_billed_document", ["party_id", "id"])
    op.create_table(
        "disposition_tax",
        *_identity("disposition_tax"),
        *(_reference_column(name) for name in ("disposition_id", "statement_id")),
        *_companies(),
        *_texts("currency"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("disposition_id", name=op.f("uq_disposition_tax_disposition_id")),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_disposition_tax_not_zero")),
        *_between("disposition_tax", disposition_id="disposition", statement_id="statement"),
    )
    op.create_index("ix_disposition_tax_statement_id", "disposition_tax", ["statement_id"])


def _identity(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def _reference_column(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _companies() -> tuple[sa.Column[int], ...]:
    return (_reference_column("manufacturer_id"), _reference_column("party_id"))


def _texts(*names: str) -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, sa.Text(), nullable=False) for name in names)


def _said(by: str, at: str) -> tuple[sa.Column[int], sa.Column[object]]:
    return _reference_column(by), sa.Column(at, sa.DateTime(timezone=True), nullable=False)


def _references(table: str, **targets: str) -> tuple[sa.ForeignKeyConstraint, ...]:
    return tuple(
        sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"))
        for column, target in targets.items()
    )


def _between(table: str, **targets: str) -> tuple[sa.ForeignKeyConstraint, ...]:
    return _references(table, manufacturer_id="organisation", party_id="organisation", **targets)


def _guard(table: str, readers: str, *, writes: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({readers}) WITH CHECK ({readers})")
    op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
    op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
    op.execute(f"GRANT {writes} ON {table} TO portal_web")
    op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_work")
    op.execute(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
