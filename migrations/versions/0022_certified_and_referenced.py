"""A manufacturer finds whom it certifies by address and knows them; search finds companies' own numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

_SQL_DEFINER = "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp"

# Only within a company that the asking one knows already: an address says nothing about anybody else.
_FIND_MEMBER = f"""
    CREATE FUNCTION find_member(address text, company bigint) RETURNS bigint {_SQL_DEFINER} AS $$
        SELECT person.id FROM person
        JOIN membership ON membership.person_id = person.id AND membership.ended_at IS NULL
        JOIN organisation ON organisation.id = membership.organisation_id
        WHERE lower(person.email) = lower(address) AND organisation.id = company
          AND portal_organisation() = ANY (organisation.visible_to)
    $$
"""

_ACQUAINT = """
    CREATE FUNCTION acquaint_by_certificate() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        UPDATE person SET visible_to = array_append(visible_to, NEW.manufacturer_id)
            WHERE id = NEW.person_id AND NOT NEW.manufacturer_id = ANY (visible_to);
        RETURN NULL;
    END
    $$
"""

# Two index scans, each with the scope inside; a company's latest own number counts.
_SEARCH = f"""
    CREATE OR REPLACE FUNCTION search_cases(words text, before_id bigint, page_size integer)
        RETURNS TABLE (case_id bigint) {_SQL_DEFINER} AS $$
        SELECT found.id FROM (
            (SELECT named.id FROM support_case named
             WHERE named.search_document @@ websearch_to_tsquery('simple', words)
               AND (named.manufacturer_id = portal_organisation()
                    OR named.integrator_id = portal_organisation()
                    OR named.customer_id = portal_organisation())
               AND (before_id IS NULL OR named.id < before_id)
             ORDER BY named.id DESC
             LIMIT least(page_size, 200))
            UNION
            (SELECT own.case_id FROM case_reference own
             WHERE lower(own.reference) = lower(btrim(words))
               AND (own.manufacturer_id = portal_organisation()
                    OR own.integrator_id = portal_organisation()
                    OR own.customer_id = portal_organisation())
               AND (before_id IS NULL OR own.case_id < before_id)
               AND NOT EXISTS (SELECT FROM case_reference later
                               WHERE later.case_id = own.case_id AND later.organisation_id = own.organisation_id
                                 AND later.id > own.id)
             ORDER BY own.case_id DESC
             LIMIT least(page_size, 200))
        ) found
        ORDER BY found.id DESC
        LIMIT least(page_size, 200)
    $$
"""


def upgrade() -> None:
    op.execute(_FIND_MEMBER)
    op.execute("GRANT EXECUTE ON FUNCTION find_member(text, bigint) TO portal_web, portal_work")
    op.execute(_ACQUAINT)
    op.execute(
        "CREATE TRIGGER acquaint_by_certificate AFTER INSERT ON certificate"
        " FOR EACH ROW EXECUTE FUNCTION acquaint_by_certificate()"
    )
    op.create_index("ix_case_reference_reference", "case_reference", [sa.text("lower(reference)")])
    op.execute(_SEARCH)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
