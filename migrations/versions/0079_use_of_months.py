"""What the included time of a case was worth is the same for whoever may read the case: its buyer, as its companies."""

from alembic import op

revision = "0079"
down_revision = "0078"

_USE = """
CREATE FUNCTION included_use_of_case(wanted bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT (SELECT coalesce(sum(item.use_minor), 0)::bigint FROM bill_item item
            WHERE item.case_id = one.id
              AND NOT EXISTS (SELECT FROM bill_item_reversal gone WHERE gone.bill_item_id = item.id))
         - (SELECT coalesce(sum(used.amount_minor), 0)::bigint FROM pack_use used
            WHERE used.case_id = one.id
              AND NOT EXISTS (SELECT FROM bill_item_reversal gone WHERE gone.bill_item_id = used.bill_item_id))
    FROM support_case one
    WHERE one.id = wanted
      AND (portal_sees_all()
           OR portal_organisation() IN (one.manufacturer_id, one.integrator_id, one.customer_id))
$$
"""


def upgrade() -> None:
    op.execute(_USE)
    op.execute("REVOKE ALL ON FUNCTION included_use_of_case(bigint) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION included_use_of_case(bigint) TO portal_web, portal_work")


def downgrade() -> None:
    op.execute("DROP FUNCTION included_use_of_case(bigint)")
