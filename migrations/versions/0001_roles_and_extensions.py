"""Roles and extensions.

The two app roles are NOLOGIN and granted to the login that migrates, which then acts as them (``-c role=portal_web``).
A deployment that wants separate logins makes them itself and grants them one role each; the README says how.

New tables give the app roles SELECT and INSERT and nothing else: facts are append-only unless their migration grants
more. New functions give nobody anything: a SECURITY DEFINER function must be granted by name.
"""

from alembic import op

revision = "0001"
down_revision = None

_ROLES = """
DO $roles$
DECLARE
    role_name text;
    may_act boolean;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['portal_web', 'portal_work'] LOOP
        -- Asked first, because a login that may not make roles is refused even a role that exists.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- roles belong to the whole server: another database has just made it
            END;
        END IF;
        -- From 16 on being a member and being allowed to act as the role are two things.
        IF current_setting('server_version_num')::int >= 160000 THEN
            EXECUTE 'SELECT pg_has_role(current_user, $1, ''SET'')' INTO may_act USING role_name;
        ELSE
            may_act := pg_has_role(current_user, role_name, 'MEMBER');
        END IF;
        IF NOT may_act THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
        END IF;
    END LOOP;
END
$roles$
"""

_STATEMENTS = (
    "CREATE EXTENSION IF NOT EXISTS citext",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE EXTENSION IF NOT EXISTS btree_gist",
    "CREATE EXTENSION IF NOT EXISTS unaccent",
    "GRANT USAGE ON SCHEMA public TO portal_web, portal_work",
    # Readiness compares the database's revision with the code's.
    "GRANT SELECT ON alembic_version TO portal_web, portal_work",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT ON TABLES TO portal_web, portal_work",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO portal_web, portal_work",
    # Without a schema, because only so does it take away what PostgreSQL gives to everybody by itself.
    "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
)


def upgrade() -> None:
    op.execute(_ROLES)
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
