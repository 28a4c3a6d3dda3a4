"""Import a log: read it, settle what it says against itself and what is stored, store it, count.

Each step commits with the run's progress, so a run that is killed goes on where it stood and ends with the same rows;
a run that is done is not done again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, delete, select, text
from sqlalchemy.orm import Session

from portal.billing.actions.batch import BILLED_AT_ONCE, bill_closed
from portal.contracts.agreement import sha256
from portal.db import transaction
from portal.errors import Conflict
from portal.importing.mapping import Mapping, parse_mapping
from portal.importing.models import ImportRun, ImportWork
from portal.importing.reading import sha256_of
from portal.importing.report import Figures, figures_from, figures_of
from portal.importing.setting import Setting, Signed, check_documents, prepare
from portal.importing.staging import Progress, settle, stage
from portal.importing.storing import store

# Any number that no other advisory lock of the portal uses.
_LOCK = 4_104_201_305

_UNBILLED = text(
    """
    SELECT cut.case_id
    FROM import_case imported
    JOIN import_run run ON run.id = imported.run_id
    JOIN support_case held ON held.source = run.source AND held.source_key = imported.source_key
    JOIN billing_cut cut ON cut.case_id = held.id
    WHERE run.id = :run_id AND imported.state = 'stored'
      AND NOT EXISTS (SELECT FROM bill_item WHERE bill_item.cut_id = cut.id)
    ORDER BY imported.ordinal
    """
)


@dataclass(frozen=True)
class Plan:
    """What to import, how it reads, and what is signed for it."""

    path: Path
    mapping: Mapping
    signed: Signed


def plan_import(path: Path, mapping_path: Path) -> Plan:
    """Read the mapping and the documents beside it. *Raises*: DocumentInvalid naming line and key, Invalid."""
    mapping = parse_mapping(mapping_path.read_text("utf-8"))
    beside = mapping_path.parent
    signed = Signed(
        (beside / mapping.documents.policy).read_text("utf-8"),
        (beside / mapping.documents.agreement).read_text("utf-8"),
    )
    check_documents(mapping, signed)
    return Plan(path, mapping, signed)


def import_log(engine: Engine, plan: Plan, *, now: datetime, progress: Progress) -> tuple[int, Figures]:
    """Bring the log in, from wherever an earlier run of the same file and mapping stands; the run and what it did.

    *Raises*: Conflict while another import runs; Invalid for a file that cannot be read.
    """
    with _alone(engine):
        run = _run(engine, plan, now)
        if run.state == "done":
            return run.id, figures_from(run.figures or {})
        if run.state == "staging":
            stage(engine, run, plan.mapping, plan.path, progress)
        setting, run = _settled(engine, run.id, plan)
        store(engine, run, plan.mapping, setting, plan.path, progress=progress)
        return run.id, _finish(engine, run.id, now)


def bill_imported(engine: Engine, run_id: int, *, now: datetime, livemode: bool, progress: Progress) -> int:
    """Bill what the run closed, many cases to a transaction, instead of by a job for each; how many items were made.

    Again goes on where it stopped; the jobs that wait find their items made.
    """
    with transaction(engine) as session:
        case_ids = list(session.scalars(_UNBILLED, {"run_id": run_id}))
    made = 0
    for start in range(0, len(case_ids), BILLED_AT_ONCE):
        some = case_ids[start : start + BILLED_AT_ONCE]
        with transaction(engine) as session:
            made += bill_closed(session, some, now=now, livemode=livemode)
        progress("Billing", start + len(some), len(case_ids))
    return made


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Let no second import run beside this one; a process that dies lets go."""
    with engine.connect() as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
            raise Conflict("Another import is running.")
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()


def _run(engine: Engine, plan: Plan, now: datetime) -> ImportRun:
    """The run of this file by this mapping, begun where there is none."""
    file_sha256, mapping_sha256 = sha256_of(plan.path), sha256(plan.mapping)
    with transaction(engine) as session:
        found = session.scalars(
            select(ImportRun).where(ImportRun.file_sha256 == file_sha256, ImportRun.mapping_sha256 == mapping_sha256)
        ).one_or_none()
        if found is None:
            found = ImportRun(
                source=plan.mapping.source,
                file_name=plan.path.name,
                file_sha256=file_sha256,
                mapping_sha256=mapping_sha256,
                state="staging",
                rows_read=0,
                staged_line=0,
                stored_ordinal=0,
                started_at=now,
            )
            session.add(found)
    return found


def _settled(engine: Engine, run_id: int, plan: Plan) -> tuple[Setting, ImportRun]:
    """What the cases refer to, made once all rows are read; found again by a run that goes on."""
    with transaction(engine) as session:
        run = session.get_one(ImportRun, run_id)
        if run.state == "staging":
            settle(session, run, plan.mapping)
            run.state = "storing"
        setting = prepare(session, plan.mapping, plan.signed, _used(session, run_id), now=run.started_at)
    return setting, run


def _used(session: Session, run_id: int) -> list[tuple[str, str]]:
    """The (customer, product) pairs of the staged cases, in the order in which the log names them."""
    rows = session.execute(
        text(
            "SELECT customer, product FROM import_case WHERE run_id = :run_id AND state IN ('staged', 'stored')"
            " GROUP BY customer, product ORDER BY min(ordinal)"
        ),
        {"run_id": run_id},
    )
    return [(row.customer, row.product) for row in rows]


def _finish(engine: Engine, run_id: int, now: datetime) -> Figures:
    with transaction(engine) as session:
        run = session.get_one(ImportRun, run_id)
        figures = figures_of(session, run_id, run.rows_read)
        run.state, run.finished_at, run.figures = "done", now, asdict(figures)
        session.execute(delete(ImportWork).where(ImportWork.run_id == run_id))
    return figures
