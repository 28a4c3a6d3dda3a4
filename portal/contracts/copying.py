"""Public holidays copied into a document when it is proposed, from the published list of the `holidays` package.

The signed text names the country and the years; the canonical JSON, which is what is hashed, holds the days. So a
later release of the list, or of this portal, changes no deadline that was promised. Only this module reads the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from portal.contracts.agreement import Agreement
from portal.contracts.calendar_blocks import CalendarBlock, HolidayRule, NamedHoliday
from portal.contracts.policy import Policy
from portal.contracts.reading import key_of
from portal.contracts.toml_lines import key_lines, line_of
from portal.errors import DocumentInvalid, Problem
from portal.lazily import lazily

if TYPE_CHECKING:
    import holidays
else:
    holidays = lazily("holidays")

Document = TypeVar("Document", Policy, Agreement)


def with_holidays(document: Document, text: str | None = None) -> Document:
    """The document with the holidays its rules name; itself where it names none.

    *Raises*: DocumentInvalid for a country, subdivision or name that the list does not know, with its line in ``text``.
    """
    if not any(block.holiday_rules for block in document.calendars):
        return document
    problems = list(_problems(document, text))
    if problems:
        raise DocumentInvalid(problems)
    return document.model_copy(update={"calendars": tuple(_copied(block) for block in document.calendars)})


def _copied(block: CalendarBlock) -> CalendarBlock:
    names = {each.on: each.name for each in block.named_holidays}
    for rule in block.holiday_rules:
        for day in _days(rule):
            names.setdefault(day.on, day.name)
    rows = tuple(NamedHoliday(on=on, name=name) for on, name in sorted(names.items()))
    return block.model_copy(update={"named_holidays": rows})


def _days(rule: HolidayRule) -> tuple[NamedHoliday, ...]:
    """The days of a rule, in order; ``_rule_problems`` has refused what the list does not know."""
    years = range(rule.first_year, rule.last_year + 1)
    listed = holidays.country_holidays(rule.country, subdiv=rule.subdivision, years=years, language="en_US")
    return tuple(
        NamedHoliday(on=on, name=name)
        for on, name in sorted(listed.items())
        if not set(_names(name)) & {*rule.leave_out}
    )


def _names(name: str) -> list[str]:
    """The names of one day; the list joins those of days that coincide."""
    return [name, *name.split("; ")]


@dataclass(frozen=True)
class _Place:
    calendar: int
    rule: int

    def problem(self, key: str, message: str, text: str | None) -> Problem:
        path = ("calendars", self.calendar, "holiday_rules", self.rule, key)
        return Problem(line_of(key_lines(text), path) if text is not None else None, key_of(path), message)


def _problems(document: Policy | Agreement, text: str | None) -> Iterator[Problem]:
    for number, block in enumerate(document.calendars):
        for place, rule in enumerate(block.holiday_rules):
            yield from _rule_problems(_Place(number, place), rule, text)


def _rule_problems(place: _Place, rule: HolidayRule, text: str | None) -> Iterator[Problem]:
    known = holidays.list_supported_countries()
    if rule.country not in known:
        yield place.problem("country", f'The list knows no country "{rule.country}".', text)
        return
    if rule.subdivision is not None and rule.subdivision not in known[rule.country]:
        allowed = ", ".join(known[rule.country]) or "none"
        yield place.problem("subdivision", f"Allowed here: {allowed}.", text)
        return
    every = rule.model_copy(update={"leave_out": ()})
    names = {name for day in _days(every) for name in _names(day.name)}
    for name in rule.leave_out:
        if name not in names:
            yield place.problem(
                "leave_out", f'No holiday of the list is named "{name}"; it has {", ".join(sorted(names))}.', text
            )
