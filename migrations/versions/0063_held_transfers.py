"""What was approved and held for want of an account, transferred under the same approval once the account is there."""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"

_PARTY = "manufacturer_id = portal_organisation() OR party_id = portal_organisation()"
# Never more than was approved and held for this reason, never to anybody else, and never what is payable again.
_WITHIN = """
CREATE FUNCTION held_transfer_within() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.amount_minor > coalesce((
        SELECT sum((part ->> 'amount_minor')::bigint)
        FROM disposition held
        JOIN statement_approval approval ON approval.id = held.approval_id
        JOIN statement_preparation preparation ON preparation.id = approval.preparation_id
        CROSS JOIN LATERAL jsonb_array_elements(preparation.plan -> 'parts') part
        WHERE held.id = NEW.disposition_id AND held.kind = 'held' AND part ->> 'because' = 'not_onboarded'
          AND (held.statement_id, held.manufacturer_id, held.party_id, held.currency)
              = (NEW.statement_id, NEW.manufacturer_id, NEW.party_id, NEW.currency)), 0)
    THEN
        RAISE EXCEPTION 'disposition % holds less for want of an account', NEW.disposition_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM journal_transaction back WHERE back.kind = 'held_released'
               AND back.document_type = 'disposition' AND back.document_id = NEW.disposition_id::text)
    THEN
        RAISE EXCEPTION 'disposition % is on a later statement already', NEW.disposition_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    references = {
        "disposition_id": "disposition", "statement_id": "statement", "manufacturer_id": "organisation",
        "party_id": "organisation",
    }  # fmt: skip
    op.create_table(
        "held_transfer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in references),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("intent_id", sa.Uuid(), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_transfer")),
        sa.UniqueConstraint("disposition_id", name=op.f("uq_held_transfer_disposition_id")),
        sa.UniqueConstraint("intent_id", name=op.f("uq_held_transfer_intent_id")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_held_transfer_amount")),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=op.f(f"fk_held_transfer_{column}"))
            for column, table in {**references, "intent_id": "intent"}.items()
        ),
    )
    op.execute("ALTER TABLE held_transfer ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON held_transfer TO portal_web USING ({_PARTY}) WITH CHECK ({_PARTY})")
    op.execute("CREATE POLICY work ON held_transfer TO portal_work USING (true) WITH CHECK (true)")
    op.execute("REVOKE ALL ON held_transfer FROM portal_web, portal_work")
    op.execute("GRANT SELECT ON held_transfer TO portal_web")
    op.execute("GRANT SELECT, INSERT ON held_transfer TO portal_work")
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON held_transfer"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(_WITHIN)
    op.execute(
        "CREATE TRIGGER held_transfer_within AFTER INSERT ON held_transfer"
        " FOR EACH ROW EXECUTE FUNCTION held_transfer_within()"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
