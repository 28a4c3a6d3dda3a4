"""The close of a month beside its plain-SQL floor; killed at random and finished; what others wait meanwhile."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text

from bench.billed import Month
from bench.serving import portal_environment
from portal.config import ROOT, child_environment
from portal.db import open_session, transaction
from portal.ledger.actions import post
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.payments.rules import PAYMENT_PAIRS
from portal.settlement.books import all_problems
from portal.settlement.lines import MAKE_STATEMENTS

BETWEEN_POSTS_SECONDS = 0.05
# The cases that carry the items had a yes for their own work only.
_LEFT_OUT = "authorizations are drawn by what is billed"
KILLS = 5

# What a close writes at the least, as plain SQL into the same tables with their constraints, beside its statements.
_CHAIN = """
    INSERT INTO chain_block (manufacturer_id, period_id, position, first_transaction_id, last_transaction_id,
        transaction_count, previous_sha256, sha256, chained_at)
    SELECT :manufacturer_id, :period_id, 1000 + block, min(id), max(id), count(*), '',
           encode(sha256(convert_to(string_agg(line, chr(10) ORDER BY id), 'UTF8')), 'hex'), now()
    FROM (
        SELECT journal.id, (row_number() OVER (ORDER BY journal.id) - 1) / 5000 AS block,
               jsonb_build_array(journal.id, journal.kind, journal.document_type, journal.document_id,
                   extract(epoch FROM journal.occurred_at), legs.legs)::text AS line
        FROM journal_transaction journal
        JOIN (SELECT transaction_id, jsonb_agg(jsonb_build_array(id, account_id, party_id, amount_minor, document_id)
                                               ORDER BY id) AS legs
              FROM posting WHERE period_id = :period_id GROUP BY transaction_id) legs
            ON legs.transaction_id = journal.id
        WHERE journal.period_id = :period_id) one
    GROUP BY block
"""
_PAGES = """
    CREATE TEMPORARY TABLE bench_floor ON COMMIT DROP AS
    SELECT one.*, dense_rank() OVER (ORDER BY payer_id, page) AS k FROM (
        SELECT item.id, item.payer_id, item.amount_minor,
               support_case.name || ', support on ' || item.occurred_at AS words,
               (row_number() OVER (PARTITION BY item.payer_id ORDER BY item.id) - 1) / 250 AS page,
               (row_number() OVER (PARTITION BY item.payer_id ORDER BY item.id) - 1) % 250 + 1 AS position
        FROM bill_item item JOIN support_case ON support_case.id = item.case_id
        WHERE item.period_id = :period_id
          AND NOT EXISTS (SELECT FROM invoice_item charged WHERE charged.bill_item_id = item.id)) one
"""
_INTENTS = """
    INSERT INTO intent (id, kind, manufacturer_id, organisation_id, document_type, document_id, currency, amount_minor,
        request, progress, state, livemode, created_at)
    SELECT md5('floor' || k)::uuid, 'invoice', :manufacturer_id, payer_id, 'floor', k::text, 'EUR', sum(amount_minor),
           jsonb_build_object('items', jsonb_agg(jsonb_build_object('amount', amount_minor, 'description', words))),
           '{}', 'planned', false, now()
    FROM bench_floor GROUP BY k, payer_id
"""
_INVOICED = """
    WITH made AS (
        INSERT INTO invoice (manufacturer_id, payer_id, collector_id, seller_of_record_id, period_id, part, number,
            name, currency, total_minor, due_on, intent_id, issued_at)
        SELECT :manufacturer_id, payer_id, :manufacturer_id, :manufacturer_id, :period_id, 10000 + k, 5000000 + k,
               'F' || k, 'EUR', sum(amount_minor), now()::date, md5('floor' || k)::uuid, now()
        FROM bench_floor GROUP BY k, payer_id RETURNING id, number, payer_id)
    INSERT INTO invoice_item (invoice_id, manufacturer_id, payer_id, bill_item_id, position, kind, description,
        amount_minor)
    SELECT made.id, :manufacturer_id, made.payer_id, one.id, one.position, 'charge', one.words, one.amount_minor
    FROM bench_floor one JOIN made ON made.number = 5000000 + one.k
"""


def floor_seconds(owner: Engine, month: Month) -> float:
    """How long plain SQL takes for what a close makes; nothing of it stays."""
    values = {"period_id": month.period_id, "manufacturer_id": month.manufacturer_id}
    statements: dict[str, object] = {
        **values,
        "now": datetime.now(UTC),
        "review_until": datetime.now(UTC),
        "parties": [],
        "untils": [],
        "only": None,
    }
    began = time.perf_counter()
    with owner.connect() as connection:
        connection.execute(MAKE_STATEMENTS, statements)
        for statement in (_CHAIN, _PAGES, _INTENTS, _INVOICED):
            connection.execute(text(statement), values)
        took = time.perf_counter() - began
        connection.rollback()
    return took


@dataclass
class Run:
    """One process that closes: its steps with the seconds they began at, how it ended, its peak memory."""

    steps: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    state: str = ""
    peak_mb: float = 0.0
    killed: bool = False


def close_once(url: str, folder: Path, month: Month, now: datetime, *, kill_after: float | None = None) -> Run:
    """Close in a process of its own; ``kill_after`` seconds of its work it is killed with -9, unless it has ended."""
    command = [sys.executable, "-m", "bench.close_worker", str(month.manufacturer_id), str(month.period_id)]
    process = subprocess.Popen(
        [*command, now.isoformat()],
        cwd=ROOT,
        env=child_environment(portal_environment(url, folder, 0)),
        stdout=subprocess.PIPE,
        text=True,
    )
    began, run = time.perf_counter(), Run()
    timer: threading.Timer | None = None
    for line in process.stdout or ():
        said = json.loads(line)
        if kill_after is not None and timer is None:
            timer = threading.Timer(kill_after, process.kill)
            timer.start()
        if "step" in said:
            run.steps[said["step"]] = said["seconds"]
        if "state" in said:
            run.steps["end"] = said["seconds"]
        run.state, run.peak_mb = said.get("state", run.state), said.get("peak_mb", run.peak_mb)
    code = process.wait()
    if timer is not None:
        timer.cancel()
    run.seconds, run.killed = time.perf_counter() - began, code < 0
    if code > 0:
        raise RuntimeError(f"the close ended with {code}")
    return run


@dataclass
class Waits:
    """How long others waited while a month was closed."""

    posts: int = 0
    longest_post_ms: float = 0.0
    events: int = 0
    longest_event_ms: float = 0.0


@contextmanager
def others_going_on(work: Engine, month: Month) -> Iterator[Waits]:
    """Posts into the same books and webhooks stored, one after the other, while the block runs."""
    waits, ended = Waits(), threading.Event()

    def go_on() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            began = time.perf_counter()
            _post_one(work, month, number)
            posted = time.perf_counter()
            _store_event(work, number)
            stored = time.perf_counter()
            waits.posts, waits.events = number, number
            waits.longest_post_ms = max(waits.longest_post_ms, 1_000 * (posted - began))
            waits.longest_event_ms = max(waits.longest_event_ms, 1_000 * (stored - posted))
            ended.wait(BETWEEN_POSTS_SECONDS)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield waits
    finally:
        ended.set()
        thread.join()


def _post_one(work: Engine, month: Month, number: int) -> None:
    with transaction(work) as session:
        at = session.scalars(text("SELECT now()")).one()
        post(
            session,
            manufacturer_id=month.manufacturer_id,
            currency="USD",
            kind="stripe_topup",
            document=Document("balance_movement", f"bench-{time.monotonic_ns()}-{number}"),
            legs=[debit(Purpose.STRIPE, 100), credit(Purpose.BANK, 100)],
            allowed_pairs=PAYMENT_PAIRS,
            occurred_at=at,
            now=at,
        )


def _store_event(work: Engine, number: int) -> None:
    with transaction(work) as session:
        session.execute(
            text("SELECT record_provider_event(:id, 'snapshot', 'balance.available', 'x', '{}', false)"),
            {"id": f"evt_bench_{time.monotonic_ns()}_{number}"},
        )


@dataclass(frozen=True)
class Outcome:
    """What a close came to: statements by party with their hash, invoiced, balances, what is wrong in the books."""

    statements: tuple[tuple[int, str, int, int, str], ...]
    invoices: int
    invoiced_minor: int
    balances: tuple[tuple[str, int], ...]
    problems: tuple[str, ...]


def outcome(work: Engine, month: Month) -> Outcome:
    """Read back what was made; the same for every way in which a close may have been interrupted."""
    values = {"id": month.period_id}
    with open_session(work) as session:
        statements = session.execute(_STATEMENTS, values).all()
        invoices, invoiced = session.execute(_INVOICES, values).one()
        balances = session.execute(_BALANCES, values).all()
        problems = [
            f"{one.check}: {one.subject} {one.detail}" for one in all_problems(session) if one.check != _LEFT_OUT
        ]
    return Outcome(
        tuple(tuple(row) for row in statements),
        invoices,
        invoiced,
        tuple((row.code, row.minor) for row in balances),
        tuple(problems[:20]),
    )


_STATEMENTS = text("""
    SELECT party_id, currency, net_minor, line_count, content_sha256 FROM statement WHERE period_id = :id
    ORDER BY party_id, currency
""")
_INVOICES = text("SELECT count(*), coalesce(sum(total_minor), 0)::bigint FROM invoice WHERE period_id = :id")
_BALANCES = text("""
    SELECT account.code, sum(posting.amount_minor)::bigint AS minor FROM posting
    JOIN account ON account.id = posting.account_id
    WHERE posting.period_id = :id AND posting.currency = 'EUR' GROUP BY account.code ORDER BY account.code
""")


@dataclass(frozen=True)
class Killed:
    """A close that was killed at random and finished: after how many seconds each time, and what it took in all."""

    after_seconds: tuple[float, ...]
    steps: tuple[str, ...]
    seconds: float
    last: Run


def close_killed(url: str, folder: Path, month: Month, now: datetime, work_seconds: float) -> Killed:
    """Kill the closing process at random, each time later in the work than before on average, and let the last end.

    ``work_seconds`` is what the whole work takes: what all kills leave of it is more than nothing, as good as always.
    """
    chance = random.Random()
    after, steps, total = [], [], 0.0
    for _ in range(KILLS):
        wait = chance.uniform(0.0, 2 * work_seconds / (KILLS + 2))
        run = close_once(url, folder, month, now, kill_after=wait)
        total += run.seconds
        if not run.killed:
            break
        after.append(round(wait, 1))
        steps.append(list(run.steps)[-1] if run.steps else "start")
    last = close_once(url, folder, month, now)
    return Killed(tuple(after), tuple(steps), total + last.seconds, last)
