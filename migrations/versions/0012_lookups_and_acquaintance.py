"""Look-ups that run before anybody is known, numbers, search, and who knows of whom.

Each is SECURITY DEFINER with a fixed search path, takes a hash, an address or a text, and returns ids only. Whoever a
service relationship, system, agreement or membership brings together learns of each other here, in the row's own
``visible_to``, so that row security never needs a sub-query.
"""

from alembic import op

revision = "0012"
down_revision = "0011"

_SQL_DEFINER = "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp"
_PLPGSQL_DEFINER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp"

_LOOKUPS = (
    f"""
    CREATE FUNCTION find_person(address text) RETURNS bigint {_SQL_DEFINER} AS $$
        SELECT id FROM person WHERE lower(email) = lower(address)
    $$
    """,
    f"""
    CREATE FUNCTION find_session(token bytea)
        RETURNS TABLE (session_id uuid, person_id bigint, membership_id bigint, organisation_id bigint)
        {_SQL_DEFINER} AS $$
        SELECT id, person_id, membership_id, organisation_id FROM web_session WHERE token_sha256 = token
    $$
    """,
    f"""
    CREATE FUNCTION find_link(token bytea)
        RETURNS TABLE (link_id uuid, person_id bigint, organisation_id bigint) {_SQL_DEFINER} AS $$
        SELECT id, person_id, organisation_id FROM mailed_link WHERE token_sha256 = token
    $$
    """,
    f"""
    CREATE FUNCTION own_organisations()
        RETURNS TABLE (membership_id bigint, organisation_id bigint, name text, side text)
        {_SQL_DEFINER} AS $$
        SELECT membership.id, organisation.id, organisation.name, organisation.side
        FROM membership JOIN organisation ON organisation.id = membership.organisation_id
        WHERE membership.person_id = portal_person() AND membership.ended_at IS NULL
        ORDER BY organisation.name
    $$
    """,
    """
    CREATE FUNCTION next_number(manufacturer bigint, what text) RETURNS bigint
        LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        INSERT INTO number_counter AS counter (manufacturer_id, kind, last_number) VALUES (manufacturer, what, 1)
        ON CONFLICT (manufacturer_id, kind) DO UPDATE SET last_number = counter.last_number + 1
        RETURNING last_number
    $$
    """,
    """
    CREATE FUNCTION record_provider_event(
        event_id text, event_style text, event_type text, event_object text, event_payload jsonb, is_live boolean
    ) RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        WITH stored AS (
            INSERT INTO provider_event (id, style, type, object_id, payload, livemode, received_at)
            VALUES (event_id, event_style, event_type, event_object, event_payload, is_live, now())
            ON CONFLICT (id) DO NOTHING RETURNING id
        )
        SELECT EXISTS (SELECT FROM stored)
    $$
    """,
    # Text search is not leakproof, so under row security its index would not be used: the scope is applied inside.
    f"""
    CREATE FUNCTION search_cases(words text, before_id bigint, page_size integer)
        RETURNS TABLE (case_id bigint) {_SQL_DEFINER} AS $$
        SELECT found.id FROM support_case found
        WHERE found.search_document @@ websearch_to_tsquery('simple', words)
          AND (found.manufacturer_id = portal_organisation()
               OR found.integrator_id = portal_organisation()
               OR found.customer_id = portal_organisation())
          AND (before_id IS NULL OR found.id < before_id)
        ORDER BY found.id DESC
        LIMIT least(page_size, 200)
    $$
    """,
)

_TO_WEB_AND_WORK = (
    "find_person(text)",
    "find_session(bytea)",
    "find_link(bytea)",
    "own_organisations()",
    "next_number(bigint, text)",
    "record_provider_event(text, text, text, text, jsonb, boolean)",
    "search_cases(text, bigint, integer)",
)

_INTRODUCE = """
CREATE FUNCTION introduce(who bigint[], among bigint[]) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = public, pg_temp AS $$
    UPDATE organisation
    SET visible_to = ARRAY(
        SELECT DISTINCT known FROM unnest(visible_to || among) AS known WHERE known IS NOT NULL ORDER BY 1)
    WHERE id = ANY (who) AND NOT visible_to @> array_remove(among, NULL)
$$
"""

_ACQUAINT = (
    f"""
    CREATE FUNCTION acquaint_by_relationship() RETURNS trigger {_PLPGSQL_DEFINER} AS $$
    DECLARE
        everybody bigint[] := ARRAY[NEW.manufacturer_id, NEW.integrator_id, NEW.customer_id];
    BEGIN
        PERFORM introduce(everybody, everybody);
        UPDATE site SET visible_to = ARRAY(SELECT DISTINCT unnest(visible_to || everybody) ORDER BY 1)
            WHERE id = NEW.site_id AND NOT visible_to @> everybody;
        UPDATE system SET visible_to = ARRAY(SELECT DISTINCT unnest(visible_to || everybody) ORDER BY 1)
            WHERE site_id = NEW.site_id AND product_line_id = NEW.product_line_id AND NOT visible_to @> everybody;
        RETURN NULL;
    END
    $$
    """,
    f"""
    CREATE FUNCTION acquaint_by_system() RETURNS trigger {_PLPGSQL_DEFINER} AS $$
    DECLARE
        both_sides bigint[] := ARRAY[NEW.manufacturer_id, NEW.customer_id];
        servicing bigint[];
    BEGIN
        PERFORM introduce(both_sides, both_sides);
        UPDATE site SET visible_to = ARRAY(SELECT DISTINCT unnest(visible_to || both_sides) ORDER BY 1)
            WHERE id = NEW.site_id AND NOT visible_to @> both_sides;
        SELECT array_agg(DISTINCT integrator_id) INTO servicing FROM service_relationship
            WHERE site_id = NEW.site_id AND product_line_id = NEW.product_line_id AND to_on IS NULL;
        UPDATE system SET visible_to = ARRAY(SELECT DISTINCT unnest(visible_to || both_sides || servicing) ORDER BY 1)
            WHERE id = NEW.id;
        RETURN NULL;
    END
    $$
    """,
    f"""
    CREATE FUNCTION acquaint_by_document() RETURNS trigger {_PLPGSQL_DEFINER} AS $$
    BEGIN
        IF NEW.integrator_id IS NOT NULL THEN
            PERFORM introduce(ARRAY[NEW.manufacturer_id, NEW.integrator_id],
                              ARRAY[NEW.manufacturer_id, NEW.integrator_id]);
        END IF;
        RETURN NULL;
    END
    $$
    """,
    f"""
    CREATE FUNCTION acquaint_by_membership() RETURNS trigger {_PLPGSQL_DEFINER} AS $$
    BEGIN
        UPDATE person SET visible_to = array_append(visible_to, NEW.organisation_id)
            WHERE id = NEW.person_id AND NOT NEW.organisation_id = ANY (visible_to);
        RETURN NULL;
    END
    $$
    """,
    f"""
    CREATE FUNCTION acquaint_with_operator() RETURNS trigger {_PLPGSQL_DEFINER} AS $$
    BEGIN
        IF NEW.is_operator THEN
            UPDATE organisation SET visible_to = array_append(visible_to, NEW.id)
                WHERE NOT NEW.id = ANY (visible_to);
        ELSE
            UPDATE organisation SET visible_to = array_append(organisation.visible_to, operator.id)
                FROM organisation operator
                WHERE organisation.id = NEW.id AND operator.is_operator
                  AND NOT operator.id = ANY (organisation.visible_to);
        END IF;
        RETURN NULL;
    END
    $$
    """,
)

_TRIGGERS = (
    ("service_relationship", "acquaint_by_relationship"),
    ("system", "acquaint_by_system"),
    ("document", "acquaint_by_document"),
    ("membership", "acquaint_by_membership"),
    ("organisation", "acquaint_with_operator"),
)


def upgrade() -> None:
    for function in _LOOKUPS:
        op.execute(function)
    for signature in _TO_WEB_AND_WORK:
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO portal_web, portal_work")
    op.execute(_INTRODUCE)
    for function in _ACQUAINT:
        op.execute(function)
    for table, function in _TRIGGERS:
        op.execute(f'CREATE TRIGGER {function} AFTER INSERT ON "{table}" FOR EACH ROW EXECUTE FUNCTION {function}()')


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
