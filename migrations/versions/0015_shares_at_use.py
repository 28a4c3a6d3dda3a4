"""Included time earns its worth when it is used: shares beside the item's own sum, and lines that take back.

A later cut of a case bills the difference to earlier ones, so single lines (rounding, minimum) can be below zero while
no item is. What a collecting integrator keeps of an item is a share funded by set-off.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_SHARES_SUM = """
CREATE OR REPLACE FUNCTION shares_sum() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT item.id INTO wrong
    FROM bill_item item
    JOIN share part ON part.bill_item_id = item.id
    LEFT JOIN bill_item_reversal gone ON gone.bill_item_id = item.id
    WHERE item.id IN (SELECT bill_item_id FROM added)
    GROUP BY item.id, item.amount_minor, item.use_minor, gone.id
    HAVING coalesce(sum(part.amount_minor) FILTER (WHERE part.funding <> 'use'), 0)
            <> CASE WHEN gone.id IS NULL THEN item.amount_minor ELSE 0 END
        OR coalesce(sum(part.amount_minor) FILTER (WHERE part.funding = 'use'), 0)
            <> CASE WHEN gone.id IS NULL THEN item.use_minor ELSE 0 END
        OR bool_or(part.currency <> item.currency)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'shares of bill item % do not sum to it', wrong USING ERRCODE = 'check_violation';
    END IF;
    SELECT given.id INTO wrong
    FROM share given
    JOIN share taken ON taken.reverses_id = given.id
    WHERE given.id IN (SELECT reverses_id FROM added WHERE reverses_id IS NOT NULL)
    GROUP BY given.id, given.amount_minor, given.bill_item_id, given.party_id, given.funding
    HAVING sum(taken.amount_minor) NOT BETWEEN least(-given.amount_minor, 0) AND greatest(-given.amount_minor, 0)
        OR bool_or(taken.bill_item_id <> given.bill_item_id)
        OR bool_or(taken.party_id IS DISTINCT FROM given.party_id)
        OR bool_or(taken.funding <> given.funding)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'share % would be reversed beyond what it gave', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""

# OLD is a name of PL/pgSQL's own: the item that is replaced needs another.
_NEXT_REVISION = """
CREATE OR REPLACE FUNCTION revision_follows_reversal() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.replaces_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM bill_item_reversal gone
        JOIN bill_item before ON before.id = gone.bill_item_id
        WHERE gone.bill_item_id = NEW.replaces_id AND before.cut_id = NEW.cut_id
          AND before.revision = NEW.revision - 1
    ) THEN
        RAISE EXCEPTION 'revision % of cut % replaces no reversed item', NEW.revision, NEW.cut_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    op.add_column("bill_item", sa.Column("use_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_bill_item_use"), "bill_item", "use_minor >= 0")
    op.drop_constraint(op.f("ck_bill_line_amounts"), "bill_line")
    op.drop_constraint(op.f("ck_share_funding"), "share")
    op.create_check_constraint(op.f("ck_share_funding"), "share", "funding IN ('cash', 'use', 'set_off')")
    op.execute(_SHARES_SUM)
    op.execute(_NEXT_REVISION)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
