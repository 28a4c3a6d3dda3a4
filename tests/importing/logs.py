"""Small logs in the form of the bundled mapping, and what an import left in the database."""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from portal.config import ROOT
from portal.db import open_session
from portal.importing.mapping import Mapping, parse_mapping

MAPPINGS = ROOT / "portal" / "importing" / "mappings"
VINST = MAPPINGS / "vinst.toml"
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
HEADING = (
    "case", "changed_at", "status", "sub_status", "support_team", "line", "org_line", "function_division", "impact",
    "product", "country", "owner",
)  # fmt: skip
WORK, ASSIGNED, QUEUED = ("Accepted", "In Progress"), ("Accepted", "Assigned"), ("Queued", "Awaiting Assignment")
WAIT, RESOLVED, CLOSED = ("Accepted", "Wait - User"), ("Completed", "Resolved"), ("Completed", "Closed")


def vinst() -> Mapping:
    return parse_mapping(VINST.read_text("utf-8"))


def cells(
    case: str,
    at: str,
    state: tuple[str, str] = WORK,
    line: str = "L2",
    *,
    owner: str = "Ann",
    team: str = "T1",
    product: str = "PROD1",
    country: str = "se",
    impact: str = "Medium",
) -> list[str]:
    """One row; ``at`` is a wall time at +01:00, such as "2012-05-07T08:00:00"."""
    return [case, f"{at}+01:00", *state, team, line, "Org", "", impact, product, country, owner]


def as_csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADING)
    writer.writerows(rows)
    return text.getvalue()


def write_log(path: Path, rows: Iterable[Sequence[str]]) -> Path:
    path.write_text(as_csv(rows), "utf-8")
    return path


def many_cases(count: int, seed: int = 7) -> Iterator[list[str]]:
    """Cases that share few workers, so that work overlaps; some are reopened, some never end."""
    lots = random.Random(seed)
    for number in range(count):
        at = datetime.fromisoformat("2012-05-02T08:00:00") + timedelta(minutes=lots.randrange(20_000))
        who = {"product": f"P{lots.randrange(5)}", "country": lots.choice(["se", "pl", "SE"])}
        states = [WORK, *(lots.choice([WORK, QUEUED, WAIT, RESOLVED]) for _ in range(lots.randrange(5)))]
        for state in [*states, *lots.choice([(RESOLVED, CLOSED), (RESOLVED,), ()])]:
            line, owner = lots.choice(["L1", "L2", "L3"]), lots.choice(["Ann", "Bo", "Cy", "Siebel"])
            yield cells(f"C-{number:05d}", at.isoformat(), state, line, owner=owner, **who)
            at += timedelta(minutes=1 + lots.randrange(600))


# What identifies rows across two databases: numbers by name, never ids or the moment of recording.
_CONTENT = {
    "support_case": "SELECT to_jsonb(t) - '{id,system_id,site_id,product_line_id}'::text[]",
    "case_event": "SELECT c.name, to_jsonb(t) - '{id,case_id,recorded_at}'::text[]",
    "custody_acceptance": "SELECT c.name, to_jsonb(t) - '{id,case_id,recorded_at}'::text[]",
    "case_pause": "SELECT c.name, to_jsonb(t) - '{id,case_id}'::text[]",
    "pause_end": "SELECT c.name, to_jsonb(t) - '{id,case_id,pause_id}'::text[]",
    "resolution": "SELECT c.name, to_jsonb(t) - '{id,case_id}'::text[]",
    "resolution_answer": "SELECT c.name, to_jsonb(t) - '{id,case_id,resolution_id}'::text[]",
    "case_closing": "SELECT c.name, to_jsonb(t) - '{id,case_id}'::text[]",
    "time_entry": "SELECT c.name, to_jsonb(t) - '{id,case_id,person_id,recorded_at}'::text[]",
    "time_approval": "SELECT c.name, to_jsonb(t) - '{id,case_id,entry_id,worker_id,approved_at}'::text[]",
    "authorization": "SELECT c.name, to_jsonb(t) - '{id,case_id,standing_authorization_id,recorded_at}'::text[]",
    "authorization_balance": "SELECT c.name, to_jsonb(t) - '{authorization_id,case_id}'::text[]",
    "billing_cut": "SELECT c.name, to_jsonb(t) - '{id,case_id}'::text[]",
    "time_occupancy": "SELECT p.email, t.during, c.name",
    "person": "SELECT t.email, t.display_name",
    "organisation": "SELECT t.code, t.name",
    "system": "SELECT t.serial, t.name",
    "service_relationship": "SELECT t.from_on, t.site_id, t.product_line_id",
    "import_rejection": "SELECT t.line, t.source_key, t.reason",
    "import_case": "SELECT t.ordinal, t.source_key, t.state",
    "procrastinate_jobs": "SELECT t.task_name",
}
_JOINS = {
    "support_case": "",
    "time_occupancy": "JOIN person p ON p.id = t.person_id JOIN time_entry e ON e.id = t.entry_id"
    " JOIN support_case c ON c.id = e.case_id",
}
_PLAIN = {
    "person", "organisation", "system", "service_relationship", "import_rejection", "import_case", "procrastinate_jobs",
}  # fmt: skip


def contents(engine: Engine) -> dict[str, tuple[int, str]]:
    """How many rows each imported table has, and the hash of what they say."""
    found = {}
    with open_session(engine) as session:
        for table, columns in _CONTENT.items():
            join = "" if table in _PLAIN else _JOINS.get(table, "JOIN support_case c ON c.id = t.case_id")
            rows = sorted(repr(tuple(row)) for row in session.execute(text(f'{columns} FROM "{table}" t {join}')))
            found[table] = len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


def counts(engine: Engine, *queries: str) -> list[int]:
    """What each query counts."""
    with open_session(engine) as session:
        return [session.scalar(text(query)) or 0 for query in queries]
