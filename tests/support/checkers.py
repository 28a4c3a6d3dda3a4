"""Accounting programs that others wrote, asked whether a journal of ours is right; and ways to make it wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from portal.ledger.exports import journal_name, journal_text
from portal.ledger.models import Period

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
HLEDGER = shutil.which("hledger")
BOTH = [
    pytest.param("beancount", marks=pytest.mark.skipif(not BEAN_CHECK.exists(), reason="bean-check is not here")),
    pytest.param("hledger", marks=pytest.mark.skipif(HLEDGER is None, reason="hledger is not here")),
]
CHANGES = ("a cent", "a leg", "twice")

_LEG = re.compile(r"^ +[A-Z][\w:-]+  (-?\d+) [A-Z]+", re.MULTILINE)
_ENTRY = re.compile(r"\n[^\n]*(?:\^T\d+|\(T\d+\)).*?\n(?=\n)", re.DOTALL)


def written(session: Session, period: Period, syntax: str) -> tuple[str, str]:
    """The name and the text of a period's journal."""
    return journal_name(session, period, syntax), "".join(journal_text(session, period, syntax))


def complaint(folder: Path, name: str, journal: str) -> str:
    """What the program that the file is for says against it; nothing when it accepts it."""
    path = folder / name
    path.write_text(journal, encoding="utf-8")
    if name.endswith(".beancount"):
        command = [str(BEAN_CHECK), "--no-cache", str(path)]
    else:
        command = [str(HLEDGER), "-f", str(path), "check", "--strict"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    said = done.stdout + done.stderr
    assert bool(done.returncode) == bool(said.strip())
    return said.strip()


def spoiled(journal: str, change: str) -> str:
    """The journal with one entry's amount changed by a cent, one leg left out, or one entry told twice."""
    entry = _ENTRY.search(journal)
    assert entry is not None
    if change == "twice":
        return journal[: entry.end()] + entry.group() + journal[entry.end() :]
    leg = _LEG.search(journal, entry.start())
    assert leg is not None
    if change == "a leg":
        return journal[: leg.start()] + journal[leg.end() + 1 :]
    return journal[: leg.start(1)] + str(int(leg.group(1)) + 1) + journal[leg.end(1) :]
