"""How many SQL statements an operation takes, counted in this process, and how PostgreSQL runs those of lists.

Counted is what the database is asked in a session, savepoints, the scope of row security and new jobs included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event, text

from bench import pages
from bench.client import AppTransport
from bench.pages import Asked, Places
from portal.access import Actor, Role, Side
from portal.cases.queries import queue_counts
from portal.db import Scope, open_session

# What only opens a transaction is not what an operation asks.
SCOPE = re.compile(r"^\s*SELECT set_config", re.IGNORECASE)


@dataclass
class Seen:
    """The statements of one operation with their values, those that set the scope apart."""

    statements: list[tuple[str, Any]] = field(default_factory=list)
    scopes: int = 0

    @property
    def count(self) -> int:
        """All of them: the scope is a round trip too."""
        return len(self.statements) + self.scopes


@contextmanager
def watched() -> Iterator[Seen]:
    """Every statement of this process that goes through SQLAlchemy while the block runs."""
    seen = Seen()

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        parameters = rest[0]
        if SCOPE.match(statement):
            seen.scopes += 1
        else:
            seen.statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def statements_of(app: Flask, asked: Asked) -> Seen:
    """What the operation's second turn runs: the first has filled the caches. *Raises*: RuntimeError."""
    visitor = pages.portal_visitor(AppTransport(app), asked.people[0])
    operation = asked.prepare(visitor)
    operation(visitor, 0)
    with watched() as seen:
        answer = operation(visitor, 1)
    if answer.status != asked.expected:
        raise RuntimeError(f"{asked.name} answered {answer.status}")
    return seen


def counted(app: Flask, where: Places) -> dict[str, int]:
    """Statements by operation; a reply with time is two forms."""
    found = {asked.name: statements_of(app, asked).count for asked in pages.portal_pages(where)}
    reply = sum(statements_of(app, asked).count for asked in pages.reply_pages(where, pages.utc_now()))
    return {**found, "reply with time": reply}


@dataclass(frozen=True)
class Plan:
    """How a statement of a page is run, and the tables it reads from end to end."""

    page: str
    statement: str
    lines: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The lines that say how a table is read."""
        return tuple(line.strip().removeprefix("->  ") for line in self.lines if re.search(r"Scan.* on \w+", line))

    @property
    def read_whole(self) -> tuple[str, ...]:
        """Tables that are scanned sequentially."""
        return tuple(found for line in self.lines for found in re.findall(r"Seq Scan on (\w+)", line))


def plans(app: Flask, web: Engine, owner: Engine, where: Places) -> list[Plan]:
    """The plans of what queue and search ask of cases, under the web role and its scope."""
    scope = _scope(owner, where.engineers[0])
    found = []
    for asked in pages.portal_pages(where)[:3]:
        if asked.name == "case page":
            continue
        for statement, parameters in statements_of(app, asked).statements:
            if "support_case" in statement and statement.lstrip().startswith("SELECT"):
                lines = _explained(web, scope, statement, parameters)
                found.append(Plan(asked.name, " ".join(statement.split())[:90], lines))
    counts = _count_statement(web, scope)
    found.append(Plan("queue counts", "queue_counts(actor, now)", _explained(web, scope, *counts)))
    # The function searches with its owner's rights, so its own statement is explained as the owner.
    for words in pages.SEARCHES[1:3]:
        found.append(Plan("search", f"search_cases('{words}')", _inside_search(owner, scope, words)))
    return found


def _count_statement(web: Engine, scope: Mapping[str, str]) -> tuple[str, Any]:
    """What counts the factory's queue for one of its engineers."""
    person, organisation = int(scope["person"]), int(scope["organisation"])
    engineer = Actor(person, organisation, Side.MANUFACTURER, frozenset({Role.ENGINEER}))
    with open_session(web, Scope(organisation, person)) as session, watched() as seen:
        queue_counts(session, engineer, now=pages.utc_now())
    return next(each for each in seen.statements if "support_case" in each[0])


def _scope(owner: Engine, email: str) -> Mapping[str, str]:
    wanted = text("""
        SELECT person.id, membership.organisation_id FROM person JOIN membership ON membership.person_id = person.id
        WHERE person.email = :email
    """)
    with owner.connect() as connection:
        row = connection.execute(wanted, {"email": email}).one()
    return {"person": str(row.id), "organisation": str(row.organisation_id)}


_SET_SCOPE = text(
    "SELECT set_config('portal.organisation_id', :organisation, true), set_config('portal.person_id', :person, true)"
)


def _explained(engine: Engine, scope: Mapping[str, str], statement: str, parameters: Any) -> tuple[str, ...]:
    with engine.connect() as connection:
        connection.execute(_SET_SCOPE, scope)
        rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) {statement}", parameters)
        return tuple(row[0] for row in rows)


def _inside_search(owner: Engine, scope: Mapping[str, str], words: str) -> tuple[str, ...]:
    with owner.connect() as connection:
        body = connection.scalar(text("SELECT prosrc FROM pg_proc WHERE proname = 'search_cases'"))
    values = {"words": words, "before_id": None, "page_size": 51}
    for name in values:
        body = re.sub(rf"\b{name}\b", f"%({name})s", body)
    return _explained(owner, scope, body.replace("%(before_id)s", "CAST(%(before_id)s AS bigint)"), values)
