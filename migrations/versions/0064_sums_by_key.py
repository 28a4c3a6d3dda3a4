"""What the sums of lines, shares and postings look at is found by key, whatever the connection summed first.

A function keeps the plan of its first calls for as long as its connection lives. Planned for one new row of a table
that is almost empty, a sum went through the whole table, and through all new rows for each item, ever after. A list of
keys and the word against reading whole tables give one plan that is right for one row and for many.
"""

from alembic import op

revision = "0064"
down_revision = "0063"

_MADE = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$"

_SHARES_SUM = f"""
CREATE OR REPLACE FUNCTION shares_sum() RETURNS trigger {_MADE}
DECLARE
    wrong bigint;
BEGIN
    SELECT item.id INTO wrong
    FROM bill_item item
    JOIN share part ON part.bill_item_id = item.id
    LEFT JOIN bill_item_reversal gone ON gone.bill_item_id = item.id
    WHERE item.id = ANY (ARRAY(SELECT DISTINCT bill_item_id FROM added))
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
    WHERE given.id = ANY (ARRAY(SELECT DISTINCT reverses_id FROM added WHERE reverses_id IS NOT NULL))
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

_LINES_SUM = f"""
CREATE OR REPLACE FUNCTION bill_lines_sum() RETURNS trigger {_MADE}
DECLARE
    wrong bigint;
BEGIN
    SELECT item.id INTO wrong
    FROM bill_item item
    JOIN bill_line line ON line.bill_item_id = item.id
    WHERE item.id = ANY (ARRAY(SELECT DISTINCT bill_item_id FROM added))
    GROUP BY item.id, item.amount_minor
    HAVING coalesce(sum(line.amount_minor) FILTER (WHERE line.bearer = 'payer'), 0) <> item.amount_minor
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'lines of bill item % do not sum to it', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""

_POSTINGS_BALANCE = f"""
CREATE OR REPLACE FUNCTION postings_balance() RETURNS trigger {_MADE}
DECLARE
    wrong bigint;
BEGIN
    SELECT leg.transaction_id INTO wrong
    FROM posting leg
    WHERE leg.transaction_id = ANY (ARRAY(SELECT DISTINCT transaction_id FROM added))
    GROUP BY leg.transaction_id, leg.currency
    HAVING sum(leg.amount_minor) <> 0
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal transaction % does not sum to zero', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    for function in (_SHARES_SUM, _LINES_SUM, _POSTINGS_BALANCE):
        op.execute(function)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
