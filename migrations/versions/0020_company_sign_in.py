"""Sign-in through an organisation's own provider: settings, domains, accounts, ways there and back, logouts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"

OWN = "organisation_id = portal_organisation()"

# Who reads a table's rows; the same claim holds for rows that the web writes.
READERS = {
    "identity_provider": OWN,
    "mail_domain": OWN,
    "role_mapping": OWN,
    "provider_identity": f"({OWN} OR person_id = portal_person())",
    "provider_flow": OWN,
    "provider_session": OWN,
    "provider_logout": OWN,
}

# Rows that may change, by the web and by the worker; the rest are facts.
MUTABLE = {
    "identity_provider": ("UPDATE", "UPDATE"),
    "mail_domain": ("UPDATE, DELETE", "UPDATE, DELETE"),
    "role_mapping": ("DELETE", "DELETE"),
    "provider_identity": ("UPDATE", "UPDATE"),
    "provider_flow": ("UPDATE", "UPDATE, DELETE"),
    "provider_session": ("", "DELETE"),
}

_DEFINER = "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp"
_LOOKUPS = {
    "needs_provider(bigint, bigint)": f"""
    CREATE FUNCTION needs_provider(organisation bigint, person bigint) RETURNS boolean {_DEFINER} AS $$
        SELECT EXISTS (
            SELECT FROM identity_provider
            WHERE organisation_id = organisation AND is_required AND is_enabled
              AND break_glass_person_id IS DISTINCT FROM person)
    $$
    """,
    "find_mail_domain(text)": f"""
    CREATE FUNCTION find_mail_domain(wanted text)
        RETURNS TABLE (organisation_id bigint, provider_id uuid) {_DEFINER} AS $$
        SELECT identity_provider.organisation_id, identity_provider.id
        FROM mail_domain JOIN identity_provider ON identity_provider.organisation_id = mail_domain.organisation_id
        WHERE mail_domain.domain = lower(wanted) AND mail_domain.confirmed_at IS NOT NULL
          AND identity_provider.is_enabled
    $$
    """,
    "find_provider(uuid)": f"""
    CREATE FUNCTION find_provider(provider uuid) RETURNS bigint {_DEFINER} AS $$
        SELECT organisation_id FROM identity_provider WHERE id = provider
    $$
    """,
    "find_provider_flow(bytea)": f"""
    CREATE FUNCTION find_provider_flow(state bytea)
        RETURNS TABLE (flow_id uuid, organisation_id bigint, person_id bigint) {_DEFINER} AS $$
        SELECT id, organisation_id, person_id FROM provider_flow WHERE state_sha256 = state
    $$
    """,
}


def upgrade() -> None:
    _create_identity_provider()
    _create_mail_domain()
    _create_role_mapping()
    _create_provider_identity()
    _create_provider_flow()
    _create_provider_session()
    _create_provider_logout()
    for table, claim in READERS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({claim}) WITH CHECK ({claim})")
        op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
        op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
        for role, changes in zip(("portal_web", "portal_work"), MUTABLE.get(table, ("", "")), strict=True):
            op.execute(f"GRANT SELECT, INSERT{', ' + changes if changes else ''} ON {table} TO {role}")
        if table not in MUTABLE:
            op.execute(
                f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
    for signature, definition in _LOOKUPS.items():
        op.execute(definition)
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO portal_web, portal_work")


def _create_identity_provider() -> None:
    op.create_table(
        "identity_provider",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("roles_claim", sa.Text(), server_default="", nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("is_required", sa.Boolean(), nullable=False),
        sa.Column("break_glass_person_id", sa.BigInteger(), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=False),
        sa.Column("discovery", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("discovery_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("jwks", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("jwks_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("keys_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.Text(), server_default="", nullable=False),
        sa.Column("trouble_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "NOT is_required OR (is_enabled AND tried_at IS NOT NULL AND break_glass_person_id IS NOT NULL)",
            name=op.f("ck_identity_provider_required_when_tried"),
        ),
        sa.ForeignKeyConstraint(
            ["break_glass_person_id"], ["person.id"], name=op.f("fk_identity_provider_break_glass_person_id")
        ),
        sa.ForeignKeyConstraint(["changed_by"], ["person.id"], name=op.f("fk_identity_provider_changed_by")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_identity_provider_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_provider")),
        sa.UniqueConstraint("organisation_id", name=op.f("uq_identity_provider_organisation_id")),
    )


def _create_mail_domain() -> None:
    op.create_table(
        "mail_domain",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("claimed_by", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "domain = lower(domain) AND domain ~ '^[^@[:space:]]+[.][^@[:space:]]+$'",
            name=op.f("ck_mail_domain_domain"),
        ),
        sa.ForeignKeyConstraint(["claimed_by"], ["person.id"], name=op.f("fk_mail_domain_claimed_by")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_mail_domain_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_domain")),
        sa.UniqueConstraint("organisation_id", "domain", name=op.f("uq_mail_domain_organisation_id_domain")),
    )
    op.create_index(
        "uq_mail_domain_confirmed",
        "mail_domain",
        ["domain"],
        unique=True,
        postgresql_where=sa.text("confirmed_at IS NOT NULL"),
    )


def _create_role_mapping() -> None:
    op.create_table(
        "role_mapping",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_role_mapping_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_mapping")),
    )
    op.create_index(
        "uq_role_mapping_value", "role_mapping", ["organisation_id", sa.literal_column("lower(value)")], unique=True
    )


def _create_provider_identity() -> None:
    op.create_table(
        "provider_identity",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", sa.Text(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_provider_identity_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_provider_identity_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_identity")),
    )
    op.create_index(
        "uq_provider_identity_person",
        "provider_identity",
        ["organisation_id", "issuer", "person_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "uq_provider_identity_subject",
        "provider_identity",
        ["organisation_id", "issuer", "subject"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _create_provider_flow() -> None:
    op.create_table(
        "provider_flow",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("browser_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("link_id", sa.Uuid(), nullable=True),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "purpose = 'sign_in' OR person_id IS NOT NULL OR link_id IS NOT NULL",
            name=op.f("ck_provider_flow_for_somebody"),
        ),
        sa.CheckConstraint(
            "purpose IN ('sign_in', 'link', 'invitation', 'test')", name=op.f("ck_provider_flow_purpose")
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_provider_flow_expires_later")),
        sa.ForeignKeyConstraint(["link_id"], ["mailed_link.id"], name=op.f("fk_provider_flow_link_id")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_provider_flow_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_provider_flow_person_id")),
        sa.ForeignKeyConstraint(["provider_id"], ["identity_provider.id"], name=op.f("fk_provider_flow_provider_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_flow")),
        sa.UniqueConstraint("state_sha256", name=op.f("uq_provider_flow_state_sha256")),
    )


def _create_provider_session() -> None:
    op.create_table(
        "provider_session",
        sa.Column("web_session_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("identity_id", sa.BigInteger(), nullable=False),
        sa.Column("sid", sa.Text(), nullable=True),
        sa.Column("id_token_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["provider_identity.id"], name=op.f("fk_provider_session_identity_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_provider_session_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["web_session_id"], ["web_session.id"], name=op.f("fk_provider_session_web_session_id")
        ),
        sa.PrimaryKeyConstraint("web_session_id", name=op.f("pk_provider_session")),
    )
    op.create_index("ix_provider_session_sid", "provider_session", ["organisation_id", "sid"], unique=False)


def _create_provider_logout() -> None:
    op.create_table(
        "provider_logout",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_provider_logout_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_logout")),
        sa.UniqueConstraint("organisation_id", "jti", name=op.f("uq_provider_logout_organisation_id_jti")),
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
