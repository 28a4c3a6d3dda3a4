"""Multiplies the cases of the seed by set-based SQL, as the work role: every table a case has rows in, id by id.

A copy's ids are those of its model moved by a step per table, so references move alike and nothing is looked up. The
tables and what their columns refer to are read from the models: a table that is added is copied too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from sqlalchemy import Column, Engine, Table, text
from sqlalchemy.dialects.postgresql import TSTZRANGE
from sqlalchemy.orm import Session

import portal.worker.tasks  # noqa: F401  every table is known
from bench.world import Course, Seed, add_people
from portal.cases.models import SupportCase
from portal.db import CASE_PARTIES, Base, UtcDateTime, transaction
from portal.metering.models import TimeOccupancy

BATCH = 10_000
# Closed cases lie over so many days before the open ones of the last days; each copy has a place in time of its own.
CLOSED_DAYS, OPEN_DAYS, BETWEEN_DAYS = 700, 60, 65
# No entry of a model lasts longer.
LONGEST_WORK_SECONDS = 3_900

Say = Callable[[str], None]


@dataclass(frozen=True)
class Loaded:
    """What a load made: rows by table and how long it took."""

    cases: int
    rows: Mapping[str, int]
    seconds: float


def load(work: Engine, owner: Engine, seed: Seed, count: int, *, say: Say = lambda words: None) -> Loaded:
    """Copy the seed's cases until ``count`` more exist; the owner then moves sequences and counters and analyses."""
    began = time.perf_counter()
    rows: dict[str, int] = {}
    with transaction(work) as session:
        people = _group_size(_turns(seed, count)) * len(seed.courses)
        add_people(session, per_company=people, now=seed.now)
    for first in range(1, count + 1, BATCH):
        last = min(first + BATCH - 1, count)
        with transaction(work) as session:
            _plan_copies(session, seed, first, last, count)
            for table, copied in _copy_all(session, seed).items():
                rows[table] = rows.get(table, 0) + copied
        say(f"{last:,} of {count:,} cases")
    _settle(owner, list(rows))
    return Loaded(count, rows, time.perf_counter() - began)


def case_tables() -> list[Table]:
    """The tables whose rows belong to one case, referred-to ones first."""
    return [
        table
        for table in Base.metadata.sorted_tables
        if table.name == SupportCase.__tablename__
        or ("case_id" in table.columns and not table.columns["case_id"].nullable)
        or table.name == TimeOccupancy.__tablename__
    ]


@dataclass(frozen=True)
class _Turn:
    """How many copies a course has, and how far apart they begin."""

    course: Course
    copies: int
    gap_seconds: float


def _turns(seed: Seed, count: int) -> list[_Turn]:
    turns = []
    for course in seed.courses:
        copies = (count // 1_000 + 1) * course.per_mille
        days = OPEN_DAYS if course.is_open else CLOSED_DAYS
        turns.append(_Turn(course, copies, float(days * 86_400 // copies)))
    return turns


def _group_size(turns: list[_Turn]) -> int:
    """How many people of a company take turns in each course, so that nobody works on two cases at once."""
    return max(math.ceil(LONGEST_WORK_SECONDS / max(1.0, turn.gap_seconds)) for turn in turns)


_PLACES = text("""
    CREATE TEMPORARY TABLE bench_place ON COMMIT DROP AS
    SELECT row_number() OVER (ORDER BY system.id) - 1 AS place, system.id AS system_id, system.serial,
           system.name AS system_name, system.site_id, system.product_line_id, system.manufacturer_id,
           factory.code, service.integrator_id, system.customer_id,
           policy.version_id AS policy_id, agreement.version_id AS agreement_id,
           technician.ids AS technicians, engineer.ids AS engineers, buyer.ids[1] AS buyer_id,
           manager.id AS manager_id, lead.id AS lead_id
    FROM system
    JOIN organisation factory ON factory.id = system.manufacturer_id
    JOIN organisation customer ON customer.id = system.customer_id AND customer.code ~ '^C[0-9]{4}$'
    JOIN service_relationship service
        ON service.site_id = system.site_id AND service.product_line_id = system.product_line_id
    JOIN document_in_force policy
        ON policy.manufacturer_id = system.manufacturer_id AND policy.integrator_id IS NULL
    JOIN document_in_force agreement
        ON agreement.manufacturer_id = system.manufacturer_id AND agreement.integrator_id = service.integrator_id
    JOIN bench_people technician ON technician.organisation_id = service.integrator_id
    JOIN bench_people engineer ON engineer.organisation_id = system.manufacturer_id
    JOIN bench_people buyer ON buyer.organisation_id = system.customer_id
    JOIN bench_one manager ON manager.organisation_id = service.integrator_id AND manager.role = 'service_manager'
    JOIN bench_one lead ON lead.organisation_id = system.manufacturer_id AND lead.role = 'support_lead'
""")

_PEOPLE = text("""
    CREATE TEMPORARY TABLE bench_people ON COMMIT DROP AS
    SELECT membership.organisation_id, array_agg(person.id ORDER BY person.id) AS ids
    FROM person JOIN membership ON membership.person_id = person.id
    WHERE person.email ~ '^p[0-9]+@' GROUP BY membership.organisation_id
""")

_ONE = text("""
    CREATE TEMPORARY TABLE bench_one ON COMMIT DROP AS
    SELECT organisation_id, role, min(person_id) AS id FROM membership, unnest(roles) AS role GROUP BY 1, 2
""")

# A hash of the copy's number chooses its course and, with few systems far more often than others, its place.
# Of every 1,000 copies each course has its number; within a course copies follow each other in time, the last number
# the newest. Few systems have far more cases than the others, chosen by a hash.
_COPIES = text("""
    CREATE TEMPORARY TABLE bench_case ON COMMIT DROP AS
    SELECT copy.n, course.case_id AS model_id, course.is_open, place.*,
           make_interval(secs => course.before_seconds
               + (course.copies - turn.k) * course.gap_seconds) AS shift,
           place.technicians[1 + course.group_start + turn.k % :group_size] AS technician_id,
           place.engineers[1 + course.group_start + turn.k % :group_size] AS engineer_id
    FROM (SELECT n, (hashint8(n)::bigint & 1048575) / 1048576.0 AS spot
          FROM generate_series(CAST(:first AS bigint), :last) AS n) copy
    JOIN unnest(CAST(:case_ids AS bigint[]), CAST(:is_open AS boolean[]), CAST(:since AS bigint[]),
                CAST(:per_mille AS bigint[]), CAST(:copies AS bigint[]), CAST(:before AS float8[]),
                CAST(:gaps AS float8[]), CAST(:groups AS int[]))
         AS course (case_id, is_open, since, per_mille, copies, before_seconds, gap_seconds, group_start)
      ON copy.n % 1000 >= course.since AND copy.n % 1000 < course.since + course.per_mille
    CROSS JOIN LATERAL (
        SELECT (copy.n / 1000 * course.per_mille + copy.n % 1000 - course.since)::int AS k) turn
    JOIN bench_place place
      ON place.place = floor((SELECT count(*) FROM bench_place) * power(copy.spot, 2))
""")

_NUMBERED = text("""
    CREATE TEMPORARY TABLE bench_number ON COMMIT DROP AS
    SELECT n, coalesce(before.last_number, 0) + row_number() OVER (PARTITION BY manufacturer_id ORDER BY n) AS number
    FROM bench_case LEFT JOIN (SELECT manufacturer_id, max(number) AS last_number FROM support_case GROUP BY 1) before
        USING (manufacturer_id)
""")


def _plan_copies(session: Session, seed: Seed, first: int, last: int, count: int) -> None:
    """Temporary tables that say, for each copy, which case it copies and who and what takes whose place."""
    for statement in (_PEOPLE, _ONE, _PLACES):
        session.execute(statement)
    turns = _turns(seed, count)
    size = _group_size(turns)
    values = {
        "first": first,
        "last": last,
        "group_size": size,
        "case_ids": [turn.course.case_id for turn in turns],
        "is_open": [turn.course.is_open for turn in turns],
        "since": [sum(each.course.per_mille for each in turns[:number]) for number in range(len(turns))],
        "per_mille": [turn.course.per_mille for turn in turns],
        "copies": [turn.copies for turn in turns],
        "before": [0.0 if turn.course.is_open else BETWEEN_DAYS * 86_400.0 for turn in turns],
        "gaps": [turn.gap_seconds for turn in turns],
        "groups": [number * size for number in range(len(turns))],
    }
    session.execute(_COPIES, values)
    session.execute(_NUMBERED)
    session.execute(text("ANALYZE bench_case, bench_number, bench_place"))


def _copy_all(session: Session, seed: Seed) -> dict[str, int]:
    connection: Any = session.connection().connection.driver_connection
    steps = _steps(session, seed)
    made: dict[str, int] = {}
    for table in case_tables():
        statement = _copy_statement(table, steps, seed)
        with connection.cursor() as cursor:
            copied = cursor.execute(statement).rowcount
        if copied:
            made[table.name] = copied
    return made


def _steps(session: Session, seed: Seed) -> dict[str, int]:
    """How far the ids of a table's copies lie apart: beyond every id that the models have."""
    steps, models = {}, [course.case_id for course in seed.courses]
    for table in case_tables():
        key = table.columns.get("id")
        if key is not None and key.type.python_type is int:
            of_case = "id" if table.name == SupportCase.__tablename__ else "case_id"
            highest = text(f'SELECT max(id) FROM "{table.name}" WHERE {of_case} = ANY (:models)')
            steps[table.name] = (session.scalar(highest, {"models": models}) or 0) + 1
    return steps


def _copy_statement(table: Table, steps: Mapping[str, int], seed: Seed) -> sql.Composed:
    columns = [column for column in table.columns if column.computed is None]
    values = [_HEADER.get(column.name) if table.name == SupportCase.__tablename__ else None for column in columns]
    filled = [
        value if value is not None else _copied(table, column, steps, seed)
        for column, value in zip(columns, values, strict=True)
    ]
    key = "id" if table.name == SupportCase.__tablename__ else "case_id"
    source = sql.SQL("{} t ON t.{} = w.model_id").format(sql.Identifier(table.name), sql.Identifier(key))
    if "case_id" not in table.columns and table.name != SupportCase.__tablename__:
        source = sql.SQL("time_entry e ON e.case_id = w.model_id JOIN {} t ON t.entry_id = e.id").format(
            sql.Identifier(table.name)
        )
    return sql.SQL(
        "INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values}"
        " FROM bench_case w JOIN bench_number m USING (n) JOIN {source} ORDER BY w.n"
    ).format(
        table=sql.Identifier(table.name),
        names=sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
        values=sql.SQL(", ").join(filled),
        source=source,
    )


# What a header says differently from its model; open cases differ in how bad they are and what was bought.
_HEADER = {
    "number": sql.SQL("m.number"),
    "name": sql.SQL("w.code || '-' || m.number"),
    "system_id": sql.SQL("w.system_id"),
    "site_id": sql.SQL("w.site_id"),
    "product_line_id": sql.SQL("w.product_line_id"),
    "system_serial": sql.SQL("w.serial"),
    "system_name": sql.SQL("w.system_name"),
    "title": sql.SQL(
        "(ARRAY['Door', 'Reader', 'Lock', 'Controller', 'Intercom', 'Barrier', 'Turnstile', 'Gate'])[1 + w.n % 8]"
        " || ' ' || w.n % 97 || ' ' || (ARRAY['stays locked', 'restarts', 'is silent', 'does not release',"
        " 'shows no light', 'opens by itself', 'loses its clock'])[1 + w.n % 7]"
    ),
    "symptom": sql.SQL(
        "t.symptom || ' Firmware 4.' || w.n % 13 || ', log code E' || lpad((w.n * 31 % 997)::text, 3, '0') || '.'"
    ),
    "severity": sql.SQL("CASE WHEN w.is_open THEN (ARRAY[3, 3, 2, 4, 3, 2, 3, 1, 3, 4])[1 + w.n % 10] ELSE 3 END"),
    "entitlement_rank": sql.SQL("CASE WHEN w.is_open THEN (ARRAY[80, 20, 80, 80, 20])[1 + w.n % 5] ELSE 80 END"),
}


def _copied(table: Table, column: Column[object], steps: Mapping[str, int], seed: Seed) -> sql.Composable:
    """A column of the copy: moved, replaced, or as it is."""
    value = sql.SQL("t.{}").format(sql.Identifier(column.name))
    if column.name in CASE_PARTIES:
        return sql.SQL("w.{}").format(sql.Identifier(column.name))
    refers = next((key.column.table.name for key in column.foreign_keys if key.column.name == "id"), "")
    if column.name == "case_id":
        refers = SupportCase.__tablename__
    elif column.primary_key and column.name == "id":
        refers = table.name
    elif table.name == "time_approval" and column.name == "worker_id":
        refers = "person"
    if refers in steps:
        return sql.SQL("{} + w.n * {}").format(value, sql.Literal(steps[refers]))
    if refers in ("organisation", "person", "document_version"):
        return _replaced(value, refers, seed)
    if isinstance(column.type, UtcDateTime):
        return sql.SQL("{} - w.shift").format(value)
    if isinstance(column.type, TSTZRANGE):
        return sql.SQL("tstzrange(lower({0}) - w.shift, upper({0}) - w.shift)").format(value)
    return value


def _replaced(value: sql.Composable, what: str, seed: Seed) -> sql.Composable:
    """Somebody, a company or a document of the model, as those of the copy's place."""
    people, companies = seed.person_ids, seed.organisation_ids
    stands_for = {
        "organisation": {"NOR": "manufacturer_id", "KES": "integrator_id", "KLI": "customer_id"},
        "person": {
            "tom": "technician_id", "ana": "engineer_id", "mia": "manager_id", "leo": "lead_id", "bea": "buyer_id",
        },
        "document_version": {"policy": "policy_id", "agreement": "agreement_id"},
    }[what]  # fmt: skip
    known = {"organisation": companies, "person": people, "document_version": seed.version_ids}[what]
    cases = [
        sql.SQL("WHEN {} THEN w.{}").format(sql.Literal(known[key]), sql.Identifier(name))
        for key, name in stands_for.items()
    ]
    return sql.SQL("CASE {} {} ELSE {} END").format(value, sql.SQL(" ").join(cases), value)


def _settle(owner: Engine, tables: list[str]) -> None:
    """What only the owner may: the next ids and numbers follow the copies, and the planner knows the tables."""
    with transaction(owner) as session:
        for name in tables:
            if "id" in Base.metadata.tables[name].columns:
                session.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM \"{name}\"))")
                )
        session.execute(
            text(
                "INSERT INTO number_counter (manufacturer_id, kind, last_number)"
                " SELECT manufacturer_id, 'case', max(number) FROM support_case GROUP BY manufacturer_id"
                " ON CONFLICT (manufacturer_id, kind) DO UPDATE SET last_number = excluded.last_number"
            )
        )
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
