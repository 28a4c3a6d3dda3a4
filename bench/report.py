"""Figures beside their bars: one line each, printed as a table and kept as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from portal.config import ROOT

RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True)
class Line:
    """One figure in words, the bar it is held to and whether it reaches it; None where there is no bar."""

    work: str
    figure: str
    bar: str = ""
    reached: bool | None = None


@dataclass
class Report:
    """What a run has found so far; ``values`` are the raw figures for the JSON, ``say`` is told each line at once."""

    started_at: datetime
    say: Callable[[str], None] = lambda _: None
    lines: list[Line] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    plans: list[str] = field(default_factory=list)

    def add(self, work: str, figure: str, bar: str = "", *, reached: bool | None = None) -> None:
        """One more line."""
        line = Line(work, figure, bar, reached)
        self.lines.append(line)
        self.say("    " + "; ".join(part for part in (f"{work}: {figure}", bar, _word(line)) if part))

    def keep(self, name: str, value: Any) -> None:
        """One more raw figure."""
        self.values[name] = value

    def as_text(self) -> str:
        """The table, then the plans."""
        rows = [(line.work, line.figure, line.bar, _word(line)) for line in self.lines]
        table = columns([("Work", "Measured", "Bar", ""), *rows])
        return "\n".join([table, *(["", "How PostgreSQL finds the rows:", *self.plans] if self.plans else [])])

    def save(self, folder: Path = RESULTS) -> Path:
        """Keep it; the file's path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.started_at:%Y%m%dT%H%M%SZ}.json"
        content: Mapping[str, Any] = {
            "started_at": self.started_at.isoformat(),
            "machine": {"cpus": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version()},
            "lines": [asdict(line) for line in self.lines],
            "values": self.values,
            "plans": self.plans,
        }
        path.write_text(json.dumps(content, indent=1, default=str), "utf-8")
        return path


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows with their cells under each other."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _word(line: Line) -> str:
    return {True: "reached", False: "MISSED", None: ""}[line.reached]
