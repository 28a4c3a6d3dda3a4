"""A database whose every table holds rows of every mixture of companies, so that only row security decides.

Constraints and triggers are taken off a clone: a row then needs nothing but its own columns, and no table can be left
out because its rows are hard to come by. Nothing but the rules of who reads is tested here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from psycopg import sql

# Ids of the six companies and of one person of each.
FACTORY, INTEGRATOR, CUSTOMER = 101, 102, 103
OTHER_FACTORY, OTHER_INTEGRATOR, OTHER_CUSTOMER = 201, 202, 203
COMPANIES = (FACTORY, INTEGRATOR, CUSTOMER, OTHER_FACTORY, OTHER_INTEGRATOR, OTHER_CUSTOMER)

# Who works on a case together: each set, one where another integrator services the same customer, and house terms.
WORLDS = (
    (FACTORY, INTEGRATOR, CUSTOMER),
    (OTHER_FACTORY, OTHER_INTEGRATOR, OTHER_CUSTOMER),
    (FACTORY, OTHER_INTEGRATOR, CUSTOMER),
    (FACTORY, FACTORY, CUSTOMER),
)
PARTIES = ("manufacturer_id", "integrator_id", "customer_id")
# One company each; a row is made for every company of its world.
SINGLE = ("organisation_id", "owner_id", "party_id", "payer_id", "company_id", "consent_of")
AUDIENCES = ("own", "companies", "customer")

_VALUES: dict[str, Any] = {
    "text": "x",
    "citext": "x",
    "boolean": False,
    "date": "2026-03-10",
    "timestamp with time zone": "2026-03-10T09:00:00Z",
    "jsonb": "{}",
    "bytea": b"x",
    "ARRAY": "{}",
    "tstzrange": "[2026-03-10T09:00:00Z,2026-03-10T10:00:00Z)",
}
_numbers = itertools.count(10_000)


@dataclass(frozen=True)
class Column:
    """A column that a row has to fill."""

    name: str
    kind: str


@dataclass(frozen=True)
class Stored:
    """A row as it was stored: where, and what it says of companies, persons and audience."""

    place: str
    says: dict[str, Any]


def person_of(company: int) -> int:
    """The person of a company."""
    return company + 1000


def strip(connection: psycopg.Connection[Any]) -> None:
    """Take off whatever would refuse a row for another reason than who writes it."""
    rows = connection.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND contype IN ('f', 'c', 'u', 'x', 'p') AND conrelid <> 0"
        " AND conrelid::regclass::text NOT LIKE 'procrastinate%'"
        " ORDER BY array_position(ARRAY['f', 'c', 'x', 'u', 'p'], contype::text)"
    ).fetchall()
    for table, name in rows:
        connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.SQL(table), sql.Identifier(name)))
    indexes = connection.execute(
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid"
        " WHERE indisunique AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'procrastinate%'"
    ).fetchall()
    for (index,) in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(index)))
    triggers = connection.execute(
        "SELECT tgrelid::regclass::text, tgname FROM pg_trigger"
        " JOIN pg_class ON pg_class.oid = tgrelid WHERE NOT tgisinternal"
        " AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'procrastinate%'"
    ).fetchall()
    for table, name in triggers:
        connection.execute(sql.SQL("DROP TRIGGER {} ON {}").format(sql.Identifier(name), sql.SQL(table)))


def columns_of(connection: psycopg.Connection[Any], table: str) -> list[Column]:
    """The columns of a table that have to be given."""
    rows = connection.execute(
        "SELECT column_name, CASE WHEN udt_name = 'citext' THEN 'citext' WHEN udt_name = 'tstzrange' THEN 'tstzrange'"
        " ELSE data_type END FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER' AND is_identity = 'NO'"
        " ORDER BY ordinal_position",
        [table],
    )
    return [Column(*row) for row in rows]


def identity_is_the_company(table: str) -> bool:
    """Whether a row's own id says whose it is."""
    return table in ("organisation", "person")


def rows_for(table: str, columns: list[Column]) -> Iterator[dict[str, Any]]:
    """One row of values per mixture of companies and audience that the table can hold."""
    names = {column.name for column in columns}
    audiences = AUDIENCES if "audience" in names else ("",)
    singles = range(3) if names & set(SINGLE) or "visible_to" in names or identity_is_the_company(table) else (0,)
    for world, single, audience in itertools.product(WORLDS, singles, audiences):
        company = world[single]
        row: dict[str, Any] = {column.name: _value(column) for column in columns}
        row |= {name: company for name in SINGLE if name in names}
        row |= {name: value for name, value in zip(PARTIES, world, strict=True) if name in names}
        if "person_id" in names:
            row["person_id"] = person_of(company)
        if "visible_to" in names:
            row["visible_to"] = [company]
        if audience:
            row["audience"] = audience
        if identity_is_the_company(table):
            row["id"] = world[0] if table == "organisation" else person_of(world[0])
        yield row
        if "integrator_id" in names and table.startswith("document"):
            yield {**row, "integrator_id": None}


def insert(connection: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> str:
    """Store a row; its place."""
    found = connection.execute(_insertion(table, tuple(row)), list(row.values())).fetchone()
    if found is None:
        raise LookupError(f"no row of {table} came back")
    return str(found[0])


@cache
def _insertion(table: str, names: tuple[str, ...]) -> bytes:
    statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) RETURNING ctid::text").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join([sql.Placeholder()] * len(names)),
    )
    return statement.as_bytes()


def read_as(connection: psycopg.Connection[Any], company: int | None) -> None:
    """Be portal_web for a company until the transaction ends; without one there is no scope."""
    connection.execute("SET LOCAL ROLE portal_web")
    scope = ("", "") if company is None else (str(company), str(person_of(company)))
    connection.execute(
        "SELECT set_config('portal.organisation_id', %s, true), set_config('portal.person_id', %s, true)", scope
    )


def _value(column: Column) -> Any:
    if column.kind in ("bigint", "integer", "smallint"):
        return next(_numbers) % 30_000
    if column.kind == "uuid":
        return f"00000000-0000-4000-8000-{next(_numbers):012d}"
    return _VALUES[column.kind]
