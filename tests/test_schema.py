"""The schema as a whole: models and migrations agree, facts stay facts, every table has readers, no float anywhere."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Double, Float, Numeric, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import portal
from portal.db import Base

# The only tables whose rows may change; everything else is a fact.
MUTABLE = {
    "organisation", "site", "product_line", "system", "system_site", "service_relationship", "punch_item",
    "certificate", "known_issue", "deployment_fact", "person", "credential", "membership", "web_session", "throttle",
    "number_counter", "document_draft", "support_case", "upload", "grant_balance", "standing_month",
    "authorization_balance", "running_timer", "time_occupancy", "period", "connected_account", "intent", "delivery",
    "import_run", "import_case", "import_work", "code_generator", "passkey", "recovery_code", "pending_sign_in",
    "factor_policy", "spent_challenge",
    "identity_provider", "mail_domain", "role_mapping", "provider_identity",
    "provider_flow", "provider_session", "scim_token", "scim_user", "scim_group", "scim_group_member",
    "what_if",
    "purchase_order_balance", "still_held",
}  # fmt: skip

# Kept by libraries, or without rows of any company.
WITHOUT_ROW_SECURITY = {"alembic_version", "throttle", "job_failure", "spent_challenge"}


def load_models() -> None:
    for package in pkgutil.iter_modules(portal.__path__):
        if package.ispkg and package.name != "standin":
            root = f"portal.{package.name}."
            for module in pkgutil.walk_packages([f"{portal.__path__[0]}/{package.name}"], root):
                if module.name.endswith(".models"):
                    importlib.import_module(module.name)


def names(session: Session, query: str) -> set[str]:
    return set(session.scalars(text(query)))


def test_models_and_migrations_describe_the_same_tables(owner_session: Session) -> None:
    load_models()

    def is_ours(thing: object, name: str | None, kind: str, *_: object) -> bool:
        return not (kind == "table" and str(name).startswith(("procrastinate_", "alembic_", "job_failure")))

    context = MigrationContext.configure(
        owner_session.connection(), opts={"include_object": is_ours, "target_metadata": Base.metadata}
    )
    assert compare_metadata(context, Base.metadata) == []


def test_no_column_can_hold_a_float() -> None:
    load_models()
    floats = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Float | Double | Numeric)
    ]
    assert floats == []


def test_every_amount_has_its_currency_beside_it() -> None:
    load_models()
    # These amounts take their currency from the row they cannot exist without.
    inherits = {
        "standing_month", "authorization_balance", "invoice_item", "invoice_item_tax", "statement_line",
        "statement_preparation", "purchase_order_balance", "purchase_order_movement",
    }  # fmt: skip
    alone = [
        table.name
        for table in Base.metadata.tables.values()
        if any(column.name.endswith("_minor") for column in table.columns) and "currency" not in table.columns
    ]
    assert set(alone) == inherits


def test_only_the_listed_tables_may_change(owner_session: Session) -> None:
    changeable = names(
        owner_session,
        """
        SELECT DISTINCT table_name FROM information_schema.role_table_grants
        WHERE grantee IN ('portal_web', 'portal_work') AND privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')
          AND table_schema = 'public' AND table_name NOT LIKE 'procrastinate%'
        """,
    )
    assert changeable == MUTABLE - {"number_counter"}


def test_every_fact_table_refuses_change_even_from_its_owner(owner_session: Session) -> None:
    ours = names(
        owner_session,
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'procrastinate%'",
    )
    refusing = names(owner_session, "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'refuse_change'")
    assert {name.strip('"') for name in refusing} == ours - MUTABLE - {"alembic_version", "job_failure"}


@pytest.mark.parametrize("statement", ["UPDATE share SET kind = kind", "DELETE FROM posting", "TRUNCATE note CASCADE"])
def test_change_is_refused_when_a_fact_is_touched(owner_session: Session, statement: str) -> None:
    with pytest.raises(DBAPIError, match="are facts"):
        owner_session.execute(text(statement))


def test_every_table_has_row_security_for_the_web(owner_session: Session) -> None:
    bare = names(
        owner_session,
        """
        SELECT relname FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND NOT relrowsecurity
          AND relname NOT LIKE 'procrastinate%'
        """,
    )
    assert bare == WITHOUT_ROW_SECURITY


def test_policies_of_the_web_compare_columns_only(owner_session: Session) -> None:
    expressions = names(owner_session, "SELECT qual FROM pg_policies WHERE 'portal_web' = ANY (roles)")
    assert expressions
    assert [expression for expression in expressions if "SELECT" in expression.upper()] == []


def test_definer_functions_fix_their_search_path(owner_session: Session) -> None:
    loose = names(
        owner_session,
        """
        SELECT proname FROM pg_proc
        WHERE prosecdef AND pronamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM unnest(proconfig) AS setting WHERE setting LIKE 'search_path=%')
        """,
    )
    assert loose == set()


def test_no_row_shows_without_scope(web_session) -> None:
    session = web_session(None)
    load_models()
    visible = [
        name
        for name in Base.metadata.tables
        if name not in WITHOUT_ROW_SECURITY and session.execute(text(f'SELECT EXISTS (SELECT FROM "{name}")')).scalar()
    ]
    assert visible == []
