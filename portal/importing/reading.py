"""The log's file, line by line, as groups of rows that are one case each; memory stays that of one case.

A row that cannot be read rejects its whole case, because a history with a hole is no history. A row whose case cannot
be told rejects the case it follows.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from portal.errors import Invalid, RuleBroken
from portal.importing.mapping import Columns, Mapping
from portal.importing.rules import LONGEST_KEY, MOST_ROWS_OF_A_CASE, Rejection, Row, row_from

LONGEST_LINE = 100_000
_GZIP = b"\x1f\x8b"


@dataclass
class Group:
    """The rows of one case that lie together; ``ordinal`` counts groups from 1. With ``rejected``, none is imported."""

    ordinal: int
    case: str
    first_line: int
    last_line: int
    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    more: int = 0

    def take(self, row: Row) -> None:
        """Add a row, up to the most that a case may have: more are only counted."""
        if len(self.rows) <= MOST_ROWS_OF_A_CASE:
            self.rows.append(row)
        else:
            self.more += 1

    def refuse(self, reason: str) -> None:
        """Refuse the case as a whole: rows without a reason of their own get this one."""
        named = {each.line for each in self.rejected}
        self.rejected.extend(Rejection(row.line, row.case, reason) for row in self.rows if row.line not in named)


@dataclass
class Position:
    """How far the file has been read: bytes of the file as it lies on the disk."""

    done: int
    total: int


def storable(words: str) -> str:
    """Text that a database can hold; what the log wrote in another code shows as question marks."""
    return words.encode("utf-8", "replace").decode("utf-8").replace("\x00", "?")


def sha256_of(path: Path) -> str:
    """The hash of the file as it lies on the disk. *Raises*: Invalid when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from error


def groups(path: Path, mapping: Mapping, position: Position) -> Iterator[Group]:
    """The cases of the log in the order of the file, rejected ones included.

    *Raises*: Invalid when the file is damaged, or its heading lacks a column of the mapping.
    """
    group: Group | None = None
    for line, cells, problem in _cells(path, mapping, position):
        case = storable(cells.get(mapping.columns.case, ""))[: LONGEST_KEY + 1]
        if group is None or (case and case != group.case) or len(group.rejected) > MOST_ROWS_OF_A_CASE:
            if group is not None:
                yield _finished(group)
            group = Group(1 if group is None else group.ordinal + 1, case, line, line)
        group.last_line = line
        try:
            if problem:
                raise RuleBroken(problem)
            group.take(row_from(cells, mapping, line))
        except RuleBroken as refused:
            group.rejected.append(Rejection(line, case, refused.sentence))
    if group is not None:
        yield _finished(group)


def _finished(group: Group) -> Group:
    if group.more:
        group.refuse(f"The case has more than {MOST_ROWS_OF_A_CASE:,} rows.")
    elif group.rejected:
        group.refuse(f"Line {group.rejected[0].line} of this case cannot be read, and no case is half imported.")
    return group


def _cells(path: Path, mapping: Mapping, position: Position) -> Iterator[tuple[int, dict[str, str], str]]:
    """Each row below the heading: its line, its cells by heading, and why it is no row (empty where it is one)."""
    with _opened(path) as (raw, file):
        lines = _Lines(file)
        rows = csv.reader(lines, delimiter=mapping.delimiter, strict=True)
        heading = _heading(rows, mapping.columns)
        places = {name: number for number, name in enumerate(heading)}
        used = [name for name in heading if name in _named(mapping.columns)]
        while True:
            line = lines.number + 1
            try:
                cells = next(rows, None)
            except csv.Error as error:
                yield line, {}, f"This line is no row: {error}."
                continue
            if cells is None:
                return
            position.done = raw.tell()
            found = {name: cells[places[name]].strip() for name in used if places[name] < len(cells)}
            if len(cells) == len(heading):
                yield line, found, ""
            elif cells:
                yield line, found, f"The row has {len(cells)} cells, the heading has {len(heading)}."


def _heading(rows: Iterator[list[str]], columns: Columns) -> list[str]:
    try:
        heading = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise Invalid(f"The heading of the file cannot be read: {error}.") from error
    missing = sorted(_named(columns) - set(heading))
    if missing:
        raise Invalid(f"The file has no column {', '.join(missing)}; its heading is: {', '.join(heading)[:500]}.")
    doubled = sorted(name for name in _named(columns) if heading.count(name) > 1)
    if doubled:
        raise Invalid(f"The heading names a column twice: {', '.join(doubled)}.")
    return heading


def _named(columns: Columns) -> set[str]:
    """Every column that the mapping names."""
    single = {columns.case, columns.at, columns.company, columns.owner}
    single |= {columns.product, columns.customer, columns.severity}
    return single | {*columns.state, *columns.worker, *columns.details}


class _Lines:
    """Physical lines as text, counted from 1; what is no UTF-8 is kept so that its row can be refused."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.file.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            # One cell of what is left is too long for any row; its quotes are dropped so that the next line is one.
            while (rest := self.file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            line = line.replace(b'"', b"") + b"\n"
        if self.number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        return line.decode("utf-8", "surrogateescape")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file on the disk, and its content: unpacked where it is gzip, whatever it is called."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            if not packed:
                yield raw, raw
                return
            with gzip.open(raw) as file:
                yield raw, file  # type: ignore[misc]  # a GzipFile reads as a binary file
    except EOFError as error:
        raise Invalid(f"{path} breaks off: the file was not copied completely.") from error
    except (OSError, zlib.error) as error:
        raise Invalid(f"{path} cannot be read: {error}.") from error


def size_of(path: Path) -> int:
    """The file's size on the disk. *Raises*: Invalid when there is none."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from error
