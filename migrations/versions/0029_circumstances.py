"""Cases keep what their prices, cover and promises depend on; cases that are there keep what they were rated by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"

_CHECKS = {
    "support_level": "support_level BETWEEN 1 AND 3",
    "channel": "channel IN ('portal', 'phone', 'email', 'chat')",
    "distance": r"distance ~ '^([0-9]{1,6}([.][0-9]{1,4})?)?$'",
}

# The choices of a site may have been made under another integrator: who may know of the site may know this of it.
_PLAN_ENDED_AT = """
    CREATE FUNCTION plan_ended_at(wanted_site bigint, maker bigint, at timestamptz, free_plan text)
        RETURNS timestamptz
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT min(given_up.from_at)
        FROM site
        JOIN LATERAL (
            SELECT max(one.from_at) AS last_at FROM plan_choice one
            WHERE one.site_id = site.id AND one.manufacturer_id = maker
              AND one.from_at <= at AND one.plan_code <> free_plan
        ) held ON true
        JOIN plan_choice given_up
            ON given_up.site_id = site.id AND given_up.manufacturer_id = maker AND given_up.plan_code = free_plan
           AND given_up.from_at > held.last_at AND given_up.from_at <= at
        WHERE site.id = wanted_site
          AND (portal_sees_all() OR portal_organisation() IN (maker, site.customer_id)
               OR portal_organisation() = ANY (site.visible_to))
    $$
"""


def upgrade() -> None:
    for name in ("customer_class", "distance", "region", "site_zone"):
        op.add_column("support_case", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "support_case", sa.Column("requested", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}")
    )
    op.add_column("support_case", sa.Column("support_level", sa.BigInteger(), nullable=True))
    op.add_column("support_case", sa.Column("channel", sa.Text(), nullable=False, server_default="portal"))
    for name, condition in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_support_case_{name}"), "support_case", condition)
    op.execute(_PLAN_ENDED_AT)
    op.execute("GRANT EXECUTE ON FUNCTION plan_ended_at(bigint, bigint, timestamptz, text) TO portal_web, portal_work")


def downgrade() -> None:
    op.execute("DROP FUNCTION plan_ended_at(bigint, bigint, timestamptz, text)")
    for name in _CHECKS:
        op.drop_constraint(op.f(f"ck_support_case_{name}"), "support_case", type_="check")
    for name in ("customer_class", "requested", "distance", "support_level", "channel", "region", "site_zone"):
        op.drop_column("support_case", name)
