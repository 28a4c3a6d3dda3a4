"""What cover a site has, with the packs its customer bought, and until when hours hold now."""

from alembic import op

revision = "0036"
down_revision = "0035"

_COVER = """
CREATE FUNCTION cover_of_site(wanted_site bigint, maker bigint, at timestamptz, month_start date)
    RETURNS TABLE (
        plan_choice_id bigint, plan_code text, included_seconds bigint, has_included boolean,
        packs jsonb, standing_id bigint, incident_minor bigint, month_minor bigint,
        severities bigint[], used_in_month_minor bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT choice.id, choice.plan_code,
           coalesce(hours.included, 0), coalesce(hours.has_included, false), hours.packs,
           standing.id, standing.nte_incident_minor, standing.nte_month_minor, standing.severities,
           coalesce(used.used_minor, 0)
    FROM site
    LEFT JOIN LATERAL (
        SELECT one.id, one.plan_code, one.from_at FROM plan_choice one
        WHERE one.site_id = site.id AND one.manufacturer_id = maker AND one.from_at <= at
        ORDER BY one.from_at DESC LIMIT 1
    ) choice ON true
    LEFT JOIN LATERAL (
        SELECT sum(balance.free_seconds) FILTER (WHERE given.kind = 'included')::bigint AS included,
               bool_or(given.kind = 'included') AS has_included,
               jsonb_agg(jsonb_build_object(
                   'seconds_left', balance.free_seconds, 'incidents_left', balance.free_incidents,
                   'ends_at', balance.ends_at, 'policy_version_id', given.policy_version_id,
                   'terms', given.terms) ORDER BY given.id)
                   FILTER (WHERE given.kind = 'pack' AND (balance.free_seconds > 0 OR balance.free_incidents > 0))
                   AS packs
        FROM usage_grant given JOIN grant_balance balance ON balance.grant_id = given.id
        WHERE given.site_id = site.id AND given.manufacturer_id = maker
          AND given.starts_at <= at AND (balance.ends_at IS NULL OR balance.ends_at > at)
    ) hours ON true
    LEFT JOIN LATERAL (
        SELECT one.* FROM standing_authorization one
        WHERE one.site_id = site.id AND one.manufacturer_id = maker AND one.from_at <= at
          AND one.from_at >= choice.from_at AND (one.until_at IS NULL OR one.until_at > at)
        ORDER BY one.from_at DESC LIMIT 1
    ) standing ON true
    LEFT JOIN standing_month used
        ON used.standing_authorization_id = standing.id AND used.month_on = month_start
    WHERE site.id = wanted_site
      AND (portal_sees_all() OR portal_organisation() IN (maker, site.customer_id)
           OR portal_organisation() = ANY (site.visible_to))
$$
"""


def upgrade() -> None:
    op.execute("DROP FUNCTION cover_of_site(bigint, bigint, timestamptz, date)")
    op.execute(_COVER)
    op.execute("GRANT EXECUTE ON FUNCTION cover_of_site(bigint, bigint, timestamptz, date) TO portal_web, portal_work")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
