"""Second factors, sign-ins half done, known devices, address changes, and looking on as somebody else."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_PERSON = "person_id = portal_person()"
_OWN = "organisation_id = portal_organisation()"

# Table: who reads it in the web, and what web and work may change.
_TABLES = {
    "code_generator": (_PERSON, "UPDATE, DELETE", "UPDATE, DELETE"),
    "passkey": (_PERSON, "UPDATE, DELETE", "UPDATE, DELETE"),
    "recovery_code": (_PERSON, "UPDATE, DELETE", "UPDATE, DELETE"),
    "pending_sign_in": (_PERSON, "DELETE", "DELETE"),
    "factor_policy": (_OWN, "UPDATE", "UPDATE"),
    "known_device": (_PERSON, "", ""),
    "address_change": (_PERSON, "", ""),
    "impersonation": (_OWN, "", ""),
    "impersonation_answer": (_OWN, "", ""),
    "impersonation_end": (_OWN, "", ""),
}
_FACTS = ("known_device", "address_change", "impersonation", "impersonation_answer", "impersonation_end")

_DEFINER = "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp"
_LOOKUPS = (
    f"""
    CREATE FUNCTION find_passkey(credential bytea) RETURNS bigint {_DEFINER} AS $$
        SELECT person_id FROM passkey WHERE credential_id = credential
    $$
    """,
    f"""
    CREATE FUNCTION find_pending_sign_in(token bytea)
        RETURNS TABLE (pending_id uuid, person_id bigint, organisation_id bigint) {_DEFINER} AS $$
        SELECT id, person_id, organisation_id FROM pending_sign_in WHERE token_sha256 = token
    $$
    """,
    "GRANT EXECUTE ON FUNCTION find_passkey(bytea) TO portal_web, portal_work",
    "GRANT EXECUTE ON FUNCTION find_pending_sign_in(bytea) TO portal_web, portal_work",
)


def upgrade() -> None:
    _create_factors()
    _create_sign_in()
    _create_impersonation()
    for table, (claim, web, work) in _TABLES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({claim}) WITH CHECK ({claim})")
        op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
        op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
        op.execute(f"GRANT SELECT, INSERT{', ' + web if web else ''} ON {table} TO portal_web")
        op.execute(f"GRANT SELECT, INSERT{', ' + work if work else ''} ON {table} TO portal_work")
    # Answered before anybody is known, and no company's row: as throttle.
    op.execute("REVOKE ALL ON spent_challenge FROM portal_web, portal_work")
    op.execute("GRANT SELECT, INSERT ON spent_challenge TO portal_web")
    op.execute("GRANT SELECT, INSERT, DELETE ON spent_challenge TO portal_work")
    for table in _FACTS:
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    for statement in _LOOKUPS:
        op.execute(statement)


def _create_factors() -> None:
    op.create_table(
        "code_generator",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_code_generator_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_generator")),
    )
    for name, state in (("confirmed", "IS NOT NULL"), ("setting_up", "IS NULL")):
        op.create_index(
            f"uq_code_generator_{name}",
            "code_generator",
            ["person_id"],
            unique=True,
            postgresql_where=sa.text(f"confirmed_at {state}"),
        )
    op.create_table(
        "passkey",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("is_backed_up", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_passkey_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
    )
    op.create_index("ix_passkey_person_id", "passkey", ["person_id"])
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_recovery_code_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint("person_id", "code_sha256", name=op.f("uq_recovery_code_person_id_code_sha256")),
    )
    op.create_table(
        "spent_challenge",
        sa.Column("challenge_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("challenge_sha256", name=op.f("pk_spent_challenge")),
    )


def _create_sign_in() -> None:
    op.create_table(
        "pending_sign_in",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("membership_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["membership_id"], ["membership.id"], name=op.f("fk_pending_sign_in_membership_id")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_pending_sign_in_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_pending_sign_in_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_sign_in")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_pending_sign_in_token_sha256")),
    )
    op.create_index("ix_pending_sign_in_person_id", "pending_sign_in", ["person_id"])
    op.create_table(
        "factor_policy",
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("required_of", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["changed_by"], ["person.id"], name=op.f("fk_factor_policy_changed_by")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_factor_policy_organisation_id")
        ),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_factor_policy")),
    )
    op.create_table(
        "known_device",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_known_device_person_id")),
        sa.PrimaryKeyConstraint("person_id", "device_sha256", name=op.f("pk_known_device")),
    )
    op.create_table(
        "address_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("old_email", sa.Text(), nullable=False),
        sa.Column("new_email", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_address_change_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_address_change_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_change")),
    )
    op.create_index("ix_address_change_person_id", "address_change", ["person_id"])


def _create_impersonation() -> None:
    op.create_table(
        "impersonation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("asked_by <> person_id", name=op.f("ck_impersonation_another_person")),
        sa.ForeignKeyConstraint(["asked_by"], ["person.id"], name=op.f("fk_impersonation_asked_by")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_impersonation_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_impersonation_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_impersonation")),
    )
    op.create_index("ix_impersonation_organisation_id", "impersonation", ["organisation_id"])
    op.create_index("ix_impersonation_person_id", "impersonation", ["person_id"])
    _create_step("answer", sa.Column("is_yes", sa.Boolean(), nullable=False), "answered_at", "until_at")
    _create_step("end", sa.Column("ended_by", sa.BigInteger(), nullable=False), "ended_at")
    op.create_foreign_key(op.f("fk_impersonation_end_ended_by"), "impersonation_end", "person", ["ended_by"], ["id"])
    op.add_column("web_session", sa.Column("proven_by", sa.Text(), server_default="password", nullable=False))
    op.add_column("web_session", sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("web_session", sa.Column("impersonation_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_web_session_impersonation_id"), "web_session", "impersonation", ["impersonation_id"], ["id"]
    )


def _create_step(name: str, what: sa.Column, *instants: str) -> None:
    op.create_table(
        f"impersonation_{name}",
        sa.Column("impersonation_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        what,
        *(sa.Column(instant, sa.DateTime(timezone=True), nullable=False) for instant in instants),
        sa.ForeignKeyConstraint(
            ["impersonation_id"], ["impersonation.id"], name=op.f(f"fk_impersonation_{name}_impersonation_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f(f"fk_impersonation_{name}_organisation_id")
        ),
        sa.PrimaryKeyConstraint("impersonation_id", name=op.f(f"pk_impersonation_{name}")),
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
