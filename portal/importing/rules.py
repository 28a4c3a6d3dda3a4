"""What the rows of one case say: custody, happenings, pauses, resolutions, closing and pieces of work. Pure.

The state that a row sets lasts until the next row. A case moves by the transition rules of `portal.cases.rules`; where
the log names another company, that company has accepted the case, without an offer. A row that cannot be read, or a
case whose rows no rule allows, is refused as a whole: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from portal.calendars import Calendar, open_periods
from portal.cases.rules import (
    TRANSITIONS,
    Acceptance,
    Offer,
    Situation,
    Standing,
    State,
    Verb,
    custody_after,
    next_acceptance,
    standings_of,
    state_after,
)
from portal.contracts.blocks import Company
from portal.errors import RuleBroken
from portal.importing import mapping as mappings
from portal.importing.mapping import Mapping as LogMapping

LONGEST_CELL = 1_000
LONGEST_KEY = 200
MOST_ROWS_OF_A_CASE = 10_000
_UNWRITABLE = frozenset(chr(code) for code in range(32)) | {"\x7f"}


class Meaning(StrEnum):
    """What the state of a row means for the work."""

    WORK = "work"
    WAIT = "wait"
    IDLE = "idle"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the log, read: from ``at`` on the case was in ``status`` with ``company``."""

    line: int
    case: str
    at: datetime
    company: Company
    meaning: Meaning
    resolves: bool
    status: str
    worker: str
    worker_name: str
    is_system: bool
    product: str
    customer: str
    severity: int
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is not imported, and why."""

    line: int
    case: str
    reason: str


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of the case: ``row`` is what the log says, ``seq`` its number within the case."""

    seq: int
    kind: str
    row: Row


@dataclass(frozen=True, slots=True)
class Pause:
    """The case waited for something outside both companies; ``end`` None while it does."""

    start: Row
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resolution: said by ``row`` as event ``seq``; ``by`` is the company that resolved the case."""

    seq: int
    row: Row
    by: Company


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of somebody's work on a case, before overlaps are cut."""

    line: int
    worker: str
    worker_name: str
    start: datetime
    end: datetime
    note: str

    @property
    def seconds(self) -> int:
        """How long it is."""
        return int((self.end - self.start).total_seconds())


@dataclass(frozen=True, slots=True)
class ReadCase:
    """Everything the rows of one case say; ``closed_at`` None while it is not completed."""

    rows: tuple[Row, ...]
    acceptances: tuple[tuple[Acceptance, Row], ...]
    events: tuple[Happened, ...]
    pauses: tuple[Pause, ...]
    resolutions: tuple[Resolved, ...]
    pieces: tuple[Piece, ...]
    state: State
    holder: Company
    closed_at: datetime | None
    reopenings: int
    system_seconds: int

    @property
    def first(self) -> Row:
        """The row that opened the case."""
        return self.rows[0]

    @property
    def resolver(self) -> Company | None:
        """The company that resolved the case; nobody while it is open."""
        return self.resolutions[-1].by if self.closed_at is not None else None

    @property
    def hand_overs(self) -> int:
        """How often the case went from one company to the other."""
        return len(self.acceptances) - 1


def row_from(cells: Mapping[str, str], mapping: LogMapping, line: int) -> Row:
    """The row that the cells of a line say. *Raises*: RuleBroken with the reason why it cannot be read."""
    columns = mapping.columns
    for name, text in cells.items():
        _check_cell(name, text)
    state = mappings.BETWEEN.join(cells[name] for name in columns.state)
    worker = mappings.BETWEEN.join(cells[name] for name in columns.worker)
    for name in (columns.case, columns.product, columns.customer):
        if not cells[name]:
            raise RuleBroken(f"{name} is empty.")
        if len(cells[name]) > LONGEST_KEY:
            raise RuleBroken(f"{name} is longer than {LONGEST_KEY} characters.")
    company = mapping.company_of.get(cells[columns.company])
    severity = mapping.severities.get(cells[columns.severity])
    if company is None:
        raise RuleBroken(f'{columns.company}: the mapping does not know "{cells[columns.company]}".')
    if severity is None:
        raise RuleBroken(f'{columns.severity}: the mapping does not know "{cells[columns.severity]}".')
    return Row(
        line=line,
        case=cells[columns.case],
        at=_instant(cells[columns.at], mapping),
        company=company,
        meaning=_meaning(state, mapping),
        resolves=state in mapping.states.resolving,
        status=state,
        worker=worker,
        worker_name=cells[columns.owner],
        is_system=cells[columns.owner] in mapping.work.systems,
        product=cells[columns.product],
        customer=mapping.customer_value(cells[columns.customer]),
        severity=severity,
        details=tuple((name, cells[name]) for name in columns.details),
    )


def read_case(rows: Sequence[Row], mapping: LogMapping, calendar: Calendar) -> ReadCase:
    """What the rows of one case say, in the order of the log; ``calendar`` is the mapping's, for work.

    *Raises*: RuleBroken, naming the line, where the rows run backwards or no rule allows a step.
    """
    if len(rows) > MOST_ROWS_OF_A_CASE:
        raise RuleBroken(f"The case has more than {MOST_ROWS_OF_A_CASE:,} rows.")
    for before, row in pairwise(rows):
        if row.at < before.at:
            raise RuleBroken(f"Line {row.line} is earlier than line {before.line}: the case runs backwards in time.")
    pieces, system_seconds = _work(rows, mapping, calendar)
    walk = _Walk(rows)
    walk.take_all()
    return ReadCase(
        rows=tuple(rows),
        acceptances=tuple(walk.acceptances),
        events=tuple(walk.events),
        pauses=tuple(walk.pauses),
        resolutions=tuple(walk.resolutions),
        pieces=pieces,
        state=walk.situation.state,
        holder=walk.situation.holder,
        closed_at=rows[-1].at if walk.situation.state == State.CLOSED else None,
        reopenings=walk.reopenings,
        system_seconds=system_seconds,
    )


def resolving_row(rows: Sequence[Row]) -> Row | None:
    """The row that says who resolved: the last that resolves or, where none does, the last completed one."""
    completed = [row for row in rows if row.meaning == Meaning.COMPLETED]
    return next((row for row in reversed(completed) if row.resolves), completed[-1] if completed else None)


def cut_overlaps(pieces: Iterable[Piece]) -> Iterator[tuple[Piece | None, int]]:
    """Each piece of one worker without what an earlier piece has taken (None: nothing is left), and the seconds cut.

    *Shape*: pieces come in order of start, then case number; one answer for each, in that order. `staging` does the
    same in SQL over all workers at once; tests hold both to each other.
    """
    taken_until: datetime | None = None
    for piece in pieces:
        start = piece.start if taken_until is None else max(piece.start, min(taken_until, piece.end))
        taken_until = piece.end if taken_until is None else max(taken_until, piece.end)
        kept = replace(piece, start=start)
        yield (kept if kept.seconds else None), piece.seconds - kept.seconds


def _check_cell(name: str, text: str) -> None:
    if len(text) > LONGEST_CELL:
        raise RuleBroken(f"{name} is longer than {LONGEST_CELL} characters.")
    if not _UNWRITABLE.isdisjoint(text):
        raise RuleBroken(f"{name} has characters that cannot be shown.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise RuleBroken(f"{name} is not written in UTF-8.")


def _instant(text: str, mapping: LogMapping) -> datetime:
    try:
        return mapping.instant_of(text)
    except (ValueError, OverflowError):
        raise RuleBroken(f'{mapping.columns.at}: "{text}" is no instant of the form that the mapping names.') from None


def _meaning(state: str, mapping: LogMapping) -> Meaning:
    for meaning in Meaning:
        if state in getattr(mapping.states, meaning.value):
            return meaning
    raise RuleBroken(f'The mapping does not know the state "{state}".')


class _Walk:
    """A case on its way through its rows; each row is taken by the transition rules."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        first = rows[0]
        self.situation = Situation(State.OPEN, first.company, within_reopen_window=True)
        self.acceptances = [(Acceptance(1, first.company, first.at, "import"), first)]
        self.events = [Happened(1, "opened", first)]
        self.pauses: list[Pause] = []
        self.resolutions: list[Resolved] = []
        self.reopenings = 0

    def take_all(self) -> None:
        """Take every row in turn; the case closes with the last one where that is a completion."""
        says = _resolutions_at(self.rows)
        before: Row | None = None
        for row in self.rows:
            known = len(self.events) if before is not None else 0
            self._take(row, before, says.get(row.line))
            if len(self.events) == known:
                self._happen("status_noted", row)
            before = row
        if before is not None and before.meaning == Meaning.COMPLETED:
            self._step(Verb.CLOSE, before, frozenset({Standing.PORTAL}))
            self._happen("closed", before)

    def _take(self, row: Row, before: Row | None, resolver: Company | None) -> None:
        worked_again = row.meaning != Meaning.COMPLETED and before is not None and before.meaning == Meaning.COMPLETED
        if worked_again:
            self._step(Verb.REOPEN, row)
            self.reopenings += 1
            self._happen("reopened", row)
        self._end_pause(row)
        if row.company != self.situation.holder:
            self._accept(row)
        if row.meaning == Meaning.WAIT and (not self.pauses or self.pauses[-1].end is not None):
            self.pauses.append(Pause(row, None))
            self._happen("paused", row)
        if resolver is not None:
            self._step(Verb.RESOLVE, row)
            self._happen("resolved", row)
            self.situation = replace(self.situation, resolution_by=row.company, answered=True)
            self.resolutions.append(Resolved(len(self.events), row, resolver))

    def _end_pause(self, row: Row) -> None:
        """A pause lasts while the log says the same reason."""
        if not self.pauses or self.pauses[-1].end is not None or self.pauses[-1].start.status == row.status:
            return
        self.pauses[-1] = replace(self.pauses[-1], end=row.at)
        if row.meaning != Meaning.WAIT:
            self._happen("resumed", row)

    def _accept(self, row: Row) -> None:
        """The other company has the case: an acceptance as if it had been offered in the same instant.

        A resolved case that the log files under the other company changes hands too, though nothing is left to do.
        """
        self.situation = replace(self.situation, offer=Offer(by=self.situation.holder, to=row.company))
        if self.situation.state not in (State.RESOLVED, State.CLOSED):
            self._step(Verb.ACCEPT, row)
        self.situation = replace(self.situation, holder=custody_after(Verb.ACCEPT, self.situation), offer=None)
        known = [acceptance for acceptance, _ in self.acceptances]
        try:
            added = next_acceptance(known, row.company, row.at, "import")
        except RuleBroken:
            raise RuleBroken(f"Line {row.line}: the case changes hands twice in one second.") from None
        self.acceptances.append((added, row))
        self._happen("accepted", row)

    def _step(self, verb: Verb, row: Row, standings: frozenset[Standing] | None = None) -> None:
        """Move the state by a verb. *Raises*: RuleBroken where the rules do not allow it."""
        step = TRANSITIONS[verb]
        standing = standings_of(self.situation, row.company) if standings is None else standings
        if self.situation.state not in step.sources or step.by.isdisjoint(standing):
            raise RuleBroken(f"Line {row.line}: {step.refusal}")
        self.situation = replace(self.situation, state=state_after(verb, self.situation))

    def _happen(self, kind: str, row: Row) -> None:
        self.events.append(Happened(len(self.events) + 1, kind, row))


def _resolutions_at(rows: Sequence[Row]) -> dict[int, Company]:
    """The lines that resolve the case, one for each stretch of completed rows, and who had resolved it by then."""
    found: dict[int, Company] = {}
    stretch: list[Row] = []
    for number, row in enumerate(rows):
        if row.meaning != Meaning.COMPLETED:
            stretch = []
            continue
        stretch.append(row)
        ends = number + 1 == len(rows) or rows[number + 1].meaning != Meaning.COMPLETED
        said, by = resolving_row(stretch), resolving_row(rows[: number + 1])
        if ends and said is not None and by is not None:
            found[said.line] = by.company
    return found


def _work(rows: Sequence[Row], mapping: LogMapping, calendar: Calendar) -> tuple[tuple[Piece, ...], int]:
    """The pieces of work of a case before overlaps, and the seconds of owners that are systems."""
    pieces: list[Piece] = []
    system_seconds = 0
    for row, after in pairwise(rows):
        if row.meaning != Meaning.WORK or row.company != mapping.work.company:
            continue
        kept = _kept(row, after.at, mapping, calendar)
        if row.is_system:
            system_seconds += sum(piece.seconds for piece in kept)
        else:
            pieces.extend(kept)
    return tuple(pieces), system_seconds


def _kept(row: Row, until: datetime, mapping: LogMapping, calendar: Calendar) -> list[Piece]:
    """What is kept of one interval: its time in the calendar, up to the cap."""
    left = mapping.work.cap_minutes * 60
    kept: list[Piece] = []
    for period in open_periods(calendar, row.at, until):
        end = min(period.end, period.start + timedelta(seconds=left))
        note = f"{row.status}, {row.product}"
        piece = Piece(row.line, row.worker, row.worker_name, period.start, end, note)
        kept.append(piece)
        left -= piece.seconds
        if left == 0:
            break
    return kept
