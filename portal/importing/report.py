"""What an import did: its figures, as a table for people, and the rows it refused, as a file beside the log."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from itertools import chain
from pathlib import Path

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.importing.models import ImportRejection

_FIGURES = text(
    """
    SELECT count(*) FILTER (WHERE state = 'stored') AS cases,
           coalesce(sum(changes) FILTER (WHERE state = 'stored'), 0) AS changes,
           count(*) FILTER (WHERE state = 'stored' AND begins_with = 'integrator' AND hand_overs = 0) AS never_left,
           count(*) FILTER (WHERE state = 'stored' AND begins_with = 'manufacturer') AS begun_at_factory,
           coalesce(sum(hand_overs) FILTER (WHERE state = 'stored'), 0) AS hand_overs,
           count(*) FILTER (WHERE state = 'stored' AND reopenings > 0) AS reopened_cases,
           coalesce(sum(reopenings) FILTER (WHERE state = 'stored'), 0) AS reopenings,
           count(*) FILTER (WHERE state = 'stored' AND resolver = 'integrator') AS resolved_by_integrator,
           count(*) FILTER (WHERE state = 'stored' AND resolver = 'manufacturer') AS resolved_by_manufacturer,
           count(*) FILTER (WHERE state = 'stored' AND resolver IS NULL) AS resolved_by_nobody,
           count(*) FILTER (WHERE state = 'stored' AND is_closed) AS closed,
           coalesce(sum(system_seconds) FILTER (WHERE state = 'stored'), 0) AS system_seconds,
           count(*) FILTER (WHERE state = 'known') AS known_cases,
           count(*) FILTER (WHERE state = 'rejected') AS rejected_cases
    FROM import_case WHERE run_id = :run_id
    """
)
_WORK = text(
    """
    SELECT count(*) FILTER (WHERE kept_from < ended_at) AS time_entries,
           coalesce(sum(extract(epoch FROM ended_at - kept_from)), 0)::bigint AS metered_seconds,
           coalesce(sum(extract(epoch FROM kept_from - started_at)), 0)::bigint AS cut_seconds
    FROM import_work JOIN import_case USING (run_id, ordinal)
    WHERE run_id = :run_id AND import_case.state = 'stored'
    """
)
_REJECTED = text("SELECT count(DISTINCT line) FROM import_rejection WHERE run_id = :run_id")

# A cell that begins so would be a formula in a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Figures:
    """What one run did; the labels of the table stand beside."""

    rows_read: int
    cases: int
    changes: int
    never_left: int
    begun_at_factory: int
    hand_overs: int
    reopened_cases: int
    reopenings: int
    resolved_by_integrator: int
    resolved_by_manufacturer: int
    resolved_by_nobody: int
    closed: int
    time_entries: int
    metered_seconds: int
    cut_seconds: int
    system_seconds: int
    known_cases: int
    rejected_cases: int
    rejected_rows: int


_LABELS = {
    "rows_read": "rows read",
    "cases": "cases imported",
    "changes": "changes of state",
    "never_left": "cases that never left the integrator",
    "begun_at_factory": "cases that began at the factory",
    "hand_overs": "hand-overs between the companies",
    "reopened_cases": "reopened cases",
    "reopenings": "reopenings",
    "resolved_by_integrator": "resolved by the integrator",
    "resolved_by_manufacturer": "resolved by the manufacturer",
    "resolved_by_nobody": "resolved by nobody",
    "closed": "cases closed, with their billing cut",
    "time_entries": "time entries",
    "metered_seconds": "seconds metered",
    "cut_seconds": "seconds cut by overlap",
    "system_seconds": "seconds of system owners, not logged",
    "known_cases": "cases stored before, left as they are",
    "rejected_cases": "cases rejected",
    "rejected_rows": "rows rejected",
}


def figures_of(session: Session, run_id: int, rows_read: int) -> Figures:
    """The figures of a run whose work has not been cleared away."""
    counted = dict(session.execute(_FIGURES, {"run_id": run_id}).mappings().one())
    counted |= dict(session.execute(_WORK, {"run_id": run_id}).mappings().one())
    counted["rejected_rows"] = session.scalar(_REJECTED, {"run_id": run_id}) or 0
    return Figures(rows_read=rows_read, **{name: int(value) for name, value in counted.items()})


def figures_from(kept: dict[str, int]) -> Figures:
    """The figures as they were kept with a run that is done."""
    return Figures(**{field.name: kept[field.name] for field in fields(Figures)})


def as_table(figures: Figures) -> str:
    """The figures for people, one to a line."""
    width = max(len(label) for label in _LABELS.values())
    return "\n".join(f"{_LABELS[name]:<{width}}  {value:>12,}" for name, value in asdict(figures).items())


def write_rejections(engine: Engine, run_id: int, path: Path) -> int:
    """List the rejected rows in a CSV file, whole or not at all; how many. Without any, no file is written."""
    with transaction(engine) as session:
        rows = _rejections(session, run_id)
        first = next(rows, None)
        if first is None:
            return 0
        beside = path.with_name(path.name + ".part")
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["line", "case", "reason"])
            count = 0
            for count, row in enumerate(chain([first], rows), start=1):  # noqa: B007
                writer.writerow([row.line, as_cell(row.source_key), as_cell(row.reason)])
    os.replace(beside, path)
    return count


def _rejections(session: Session, run_id: int) -> Iterator[ImportRejection]:
    rows = select(ImportRejection).where(ImportRejection.run_id == run_id).order_by(ImportRejection.line)
    yield from session.scalars(rows.execution_options(yield_per=1_000))


def as_cell(words: str) -> str:
    """A text that a spreadsheet shows and does not calculate."""
    return f"'{words}" if words.startswith(_FORMULA) else words
