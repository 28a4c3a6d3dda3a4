"""On which line of a TOML text each key stands, so that an error can point at it.

Works on text that `tomllib` has accepted; `tomllib` itself keeps no positions. A path is a tuple of keys and list
positions, as pydantic reports it: ("plans", 1, "targets", 0, "minutes").
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping

Path = tuple[str | int, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY_PART = re.compile(_PART)
_KEY = re.compile(rf"\s*{_PART}(?:[ \t]*\.[ \t]*{_PART})*[ \t]*")
_STRINGS = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\n#]+")


class _Scanner:
    """A cursor over the text; each method leaves it behind what it read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.breaks = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[Path, int] = {}
        self.rows: dict[Path, int] = {}

    def note(self, path: Path, at: int) -> None:
        """Remember the line of ``path`` and of every table above it that has none yet."""
        line = bisect_left(self.breaks, at) + 1
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def skip_blank(self) -> None:
        self.at = _end_of(_BLANK, self.text, self.at)

    def keys(self) -> tuple[str, ...]:
        """A dotted key."""
        start, self.at = self.at, _end_of(_KEY, self.text, self.at)
        return tuple(_unquoted(part) for part in _KEY_PART.findall(self.text[start : self.at]))

    def document(self) -> None:
        table: Path = ()
        self.skip_blank()
        while self.at < len(self.text):
            start = self.at
            if self.text.startswith("[[", start):
                self.at += 2
                table = self.row(self.keys())
                self.at += 2
                self.note(table, start)
            elif self.text.startswith("[", start):
                self.at += 1
                table = self.inside_rows(self.keys())
                self.at += 1
                self.note(table, start)
            else:
                self.pair(table)
            self.skip_blank()

    def row(self, keys: tuple[str, ...]) -> Path:
        """The path of a new row of an array of tables."""
        above = self.inside_rows(keys)
        number = self.rows.get(above, -1) + 1
        self.rows[above] = number
        return (*above, number)

    def inside_rows(self, keys: tuple[str, ...]) -> Path:
        """The path of ``keys`` inside the latest row of every array of tables above the last key."""
        path: Path = ()
        for key in keys:
            if path in self.rows:
                path = (*path, self.rows[path])
            path = (*path, key)
        return path

    def pair(self, table: Path) -> None:
        start = self.at
        path = (*table, *self.keys())
        self.note(path, start)
        self.at += 1  # the equals sign
        self.value(path)

    def value(self, path: Path) -> None:
        self.skip_blank()
        if self.text.startswith("[", self.at):
            self.items(path)
        elif self.text.startswith("{", self.at):
            self.inline_table(path)
        else:
            end = _end_of(_STRINGS, self.text, self.at)
            self.at = end if end > self.at else _end_of(_SCALAR, self.text, self.at)

    def items(self, path: Path) -> None:
        number = 0
        self.at += 1
        self.skip_blank()
        while not self.text.startswith("]", self.at):
            item = (*path, number)
            self.note(item, self.at)
            self.value(item)
            number += 1
            self.comma()
        self.at += 1

    def inline_table(self, path: Path) -> None:
        self.at += 1
        self.skip_blank()
        while not self.text.startswith("}", self.at):
            self.pair(path)
            self.comma()
        self.at += 1

    def comma(self) -> None:
        self.skip_blank()
        if self.text.startswith(",", self.at):
            self.at += 1
            self.skip_blank()


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where ``pattern`` ends when it stands at ``at``; ``at`` itself when it does not."""
    match = pattern.match(text, at)
    return match.end() if match else at


def _unquoted(raw: str) -> str:
    if raw[0] not in "\"'":
        return raw
    return str(tomllib.loads(f"key = {raw}")["key"])


def key_lines(text: str) -> Mapping[Path, int]:
    """The line (from 1) of every key path of a valid TOML text."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of ``path``, or of the nearest table above it that is written down; 1 for the document itself."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1
