"""The first reading of a log: every case is checked, its work is kept aside, overlaps are cut, refusals are listed.

Nothing of a case is stored before the whole file has been read, because who worked when on one case cuts the work on
another, and rows of a case that lie apart are found only at their second place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.orm import Session

from portal.calendars import Calendar
from portal.db import copy_rows, transaction
from portal.errors import RuleBroken
from portal.identity.importing import WORKER_KEY_LENGTH
from portal.importing.mapping import Mapping
from portal.importing.models import ImportCase, ImportRun, ImportWork
from portal.importing.reading import Group, Position, groups, size_of, storable
from portal.importing.rules import ReadCase, Rejection, read_case

CASES_AT_ONCE = 500

# (what is being done, how much of it is done, how much there is)
Progress = Callable[[str, int, int], None]

_CASE = (
    "run_id", "ordinal", "source_key", "first_line", "state", "customer", "product", "changes", "hand_overs",
    "begins_with", "reopenings", "resolver", "is_closed", "system_seconds",
)  # fmt: skip
_WORK = ("run_id", "ordinal", "line", "worker", "worker_name", "started_at", "ended_at", "note")
_REJECTION = ("run_id", "line", "source_key", "reason", "recorded_at")

_KNOWN = text(
    """
    UPDATE import_case SET state = 'known'
    WHERE run_id = :run_id AND state = 'staged' AND EXISTS (
        SELECT FROM support_case
        JOIN organisation ON organisation.id = support_case.manufacturer_id AND organisation.code = :manufacturer
        WHERE support_case.source = :source AND support_case.source_key = import_case.source_key)
    """
)
# Pieces of one worker, in order of start and then case: what an earlier piece has taken is cut from a later one.
_CUT = text(
    """
    UPDATE import_work SET kept_from = ordered.kept_from
    FROM (
        SELECT work.id, greatest(work.started_at, least(work.ended_at, coalesce(
            max(work.ended_at) OVER (
                PARTITION BY work.worker ORDER BY work.started_at, work.ordinal, work.line, work.id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
            work.started_at))) AS kept_from
        FROM import_work work JOIN import_case USING (run_id, ordinal)
        WHERE run_id = :run_id AND import_case.state = 'staged'
    ) ordered
    WHERE import_work.id = ordered.id AND import_work.kept_from IS DISTINCT FROM ordered.kept_from
    """
)
# Work stored before this run is a fact and cannot be cut: a case that overlaps it is refused.
_OVERLAPPING = text(
    """
    SELECT DISTINCT import_case.ordinal, import_case.first_line, import_case.source_key
    FROM import_work work
    JOIN import_case USING (run_id, ordinal)
    JOIN person ON lower(person.email)
        = left(encode(sha256(convert_to(work.worker, 'UTF8')), 'hex'), :length) || '@' || :domain
    JOIN time_occupancy ON time_occupancy.person_id = person.id
        AND time_occupancy.during && tstzrange(work.kept_from, work.ended_at)
    WHERE run_id = :run_id AND import_case.state = 'staged' AND work.kept_from < work.ended_at
    """
)


def stage(engine: Engine, run: ImportRun, mapping: Mapping, path: Path, progress: Progress) -> None:
    """Read the file from where the run stands; each batch of cases commits with how far it has come."""
    calendar = mapping.work.calendar.opened_in(mapping.manufacturer.zone)
    position = Position(0, size_of(path))
    fresh = (group for group in groups(path, mapping, position) if group.last_line > run.staged_line)
    for batch in batches(fresh, CASES_AT_ONCE):
        with transaction(engine) as session:
            _stage_batch(session, run, batch, mapping, calendar)
            run = _advance(session, run, batch)
        progress("Reading", position.done, position.total)


def settle(session: Session, run: ImportRun, mapping: Mapping) -> None:
    """Once all is read: leave out what is stored already and cut overlaps, refusing what overlaps stored work."""
    session.execute(_KNOWN, {"run_id": run.id, "manufacturer": mapping.manufacturer.code, "source": mapping.source})
    named = {"run_id": run.id, "domain": mapping.work.mail_domain, "length": WORKER_KEY_LENGTH}
    while True:
        session.execute(_CUT, {"run_id": run.id})
        overlapping = session.execute(_OVERLAPPING, named).all()
        if not overlapping:
            return
        reason = "Its work overlaps time that is stored already for the same person."
        refusals = [Rejection(row.first_line, row.source_key, reason) for row in overlapping]
        _refuse_staged(session, run, [row.ordinal for row in overlapping])
        _list(session, run, refusals, run.started_at)


def batches(items: Iterable[Group], size: int) -> Iterator[list[Group]]:
    """The items in lists of at most ``size``."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def _advance(session: Session, run: ImportRun, batch: Sequence[Group]) -> ImportRun:
    row = session.get_one(ImportRun, run.id)
    row.staged_line = batch[-1].last_line
    row.rows_read += sum(len(_lines_of(group)) + group.more for group in batch)
    return row


def _lines_of(group: Group) -> set[int]:
    return {row.line for row in group.rows} | {each.line for each in group.rejected}


def _stage_batch(
    session: Session, run: ImportRun, batch: Sequence[Group], mapping: Mapping, calendar: Calendar
) -> None:
    seen = _refuse_scattered(session, run, batch)
    cases: list[tuple[Any, ...]] = []
    work: list[tuple[Any, ...]] = []
    refusals: list[Rejection] = []
    for group in batch:
        read = read_group(group, mapping, calendar)
        refusals.extend(group.rejected)
        if group.case and group.case not in seen:
            seen.add(group.case)
            cases.append(_case_row(run.id, group, read))
        if read is not None:
            work.extend(_work_rows(run.id, group.ordinal, read))
    copy_rows(session, "import_case", _CASE, cases)
    copy_rows(session, "import_work", _WORK, work)
    _list(session, run, refusals, run.started_at)


def read_group(group: Group, mapping: Mapping, calendar: Calendar) -> ReadCase | None:
    """What the group's rows say; None, with the rows refused, where they cannot be imported."""
    if group.rejected:
        return None
    try:
        return read_case(group.rows, mapping, calendar)
    except RuleBroken as refused:
        group.refuse(refused.sentence)
        return None


def _refuse_scattered(session: Session, run: ImportRun, batch: Sequence[Group]) -> set[str]:
    """Refuse cases whose rows lie apart, at every place; the keys of this batch that were met before it."""
    keys = {group.case for group in batch if group.case}
    before = {
        row.source_key: row
        for row in session.scalars(
            select(ImportCase).where(ImportCase.run_id == run.id, ImportCase.source_key.in_(keys))
        )
    }
    first: dict[str, Group] = {}
    for group in batch:
        if group.case in before:
            line = before[group.case].first_line
            group.refuse(f"The rows of a case lie together, and this case began at line {line}.")
        elif group.case in first:
            earlier = first[group.case]
            group.refuse(f"The rows of a case lie together, and this case began at line {earlier.first_line}.")
            earlier.refuse(f"The rows of a case lie together, and this case goes on at line {group.first_line}.")
        elif group.case:
            first[group.case] = group
    whole = [row for row in before.values() if row.state == "staged"]
    reason = "The rows of a case lie together, and those of this case do not."
    _refuse_staged(session, run, [row.ordinal for row in whole])
    _list(session, run, [Rejection(row.first_line, row.source_key, reason) for row in whole], run.started_at)
    return set(before)


def _refuse_staged(session: Session, run: ImportRun, ordinals: Sequence[int]) -> None:
    session.execute(
        update(ImportCase).where(ImportCase.run_id == run.id, ImportCase.ordinal.in_(ordinals)).values(state="rejected")
    )
    session.execute(delete(ImportWork).where(ImportWork.run_id == run.id, ImportWork.ordinal.in_(ordinals)))


def _list(session: Session, run: ImportRun, refusals: Sequence[Rejection], now: datetime) -> None:
    rows = [(run.id, each.line, storable(each.case), storable(each.reason), now) for each in refusals]
    copy_rows(session, "import_rejection", _REJECTION, rows)


def _case_row(run_id: int, group: Group, read: ReadCase | None) -> tuple[Any, ...]:
    if read is None:
        return run_id, group.ordinal, group.case, group.first_line, "rejected", "", "", 0, 0, "", 0, None, False, 0
    first = read.first
    return (
        run_id, group.ordinal, group.case, group.first_line, "staged", first.customer, first.product, len(read.rows),
        read.hand_overs, first.company.value, read.reopenings, read.resolver.value if read.resolver else None,
        read.closed_at is not None, read.system_seconds,
    )  # fmt: skip


def _work_rows(run_id: int, ordinal: int, read: ReadCase) -> Iterator[tuple[Any, ...]]:
    for piece in read.pieces:
        yield run_id, ordinal, piece.line, piece.worker, piece.worker_name, piece.start, piece.end, piece.note
