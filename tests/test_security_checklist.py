"""SECURITY.md against ASVS 5.0: every requirement of the three chapters has its line, and what a line names exists."""

from __future__ import annotations

import re
from functools import cache

import pytest

from portal.config import ROOT

# How many requirements each section of the standard has (OWASP ASVS 5.0.0, May 2025).
SECTIONS = {
    "6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2,
    "10.1": 2, "10.2": 3, "10.3": 5, "10.4": 16, "10.5": 5, "10.6": 2, "10.7": 3,
}  # fmt: skip
STATES = {"met", "deviation", "not applicable"}
_LINE = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]*?) ?\|$", re.MULTILINE)
_NAMED = re.compile(r"`([^`]+)`")


@cache
def lines() -> dict[str, tuple[str, ...]]:
    """The checklist by requirement: short name, state, what holds, evidence."""
    found = _LINE.findall((ROOT / "SECURITY.md").read_text("utf-8"))
    assert len({number for number, *_ in found}) == len(found), "a requirement has two lines"
    return {number: tuple(part.strip() for part in rest) for number, *rest in found}


@cache
def known_tests() -> frozenset[str]:
    """Every test there is, by name."""
    sources = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return frozenset(name for source in sources for name in re.findall(r"def (test_\w+)\(", source))


def test_every_requirement_has_one_line():
    wanted = {f"{section}.{number}" for section, count in SECTIONS.items() for number in range(1, count + 1)}
    assert lines().keys() == wanted


@pytest.mark.parametrize("number", sorted(lines()))
def test_a_line_says_how_it_stands_and_names_what_exists(number):
    name, state, holds, evidence = lines()[number]
    assert state in STATES, f"{number}: {state}"
    assert name
    assert len(holds) > 6
    named = _NAMED.findall(evidence)
    assert state == "not applicable" or named, f"{number} names no evidence"
    for each in named:
        exists = each in known_tests() if each.startswith("test_") and "." not in each else (ROOT / each).exists()
        assert exists, f"{number} names {each}, which is not there"
