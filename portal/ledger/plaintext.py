"""A period's books as text that beancount or hledger reads and checks by itself: pure.

Invariants: amounts are whole minor units under a commodity of their own, such as EURCENT, because both programs
tolerate a cent where an amount has a decimal point; every account says what it brought along and what it holds in the
end, so that a changed amount, a leg left out or a transaction told twice is refused; what people wrote is only text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from portal.money import minor_digits

# The smallest unit's name by how many of them are a power of ten in the currency's own.
_UNITS = {0: "", 2: "CENT", 3: "MILL"}
_NOT_IN_WORDS = re.compile(r"[^A-Za-z0-9_.-]+")
_BLANKS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")


@dataclass(frozen=True)
class Heading:
    """Whose books, of which month; ``chained`` names the frozen block behind it, if there is one."""

    manufacturer: str
    label: str
    zone: str
    starts_on: date
    ends_on: date
    state: str
    chained: str = ""


@dataclass(frozen=True)
class Balance:
    """What an account brought along and holds in the end; debit positive."""

    account: str
    currency: str
    opening_minor: int
    closing_minor: int


@dataclass(frozen=True)
class JournalLeg:
    """One posting; ``document`` is what it comes from."""

    account: str
    amount_minor: int
    document: str


@dataclass(frozen=True)
class JournalEntry:
    """One journal transaction with its legs in order."""

    id: int
    currency: str
    kind: str
    document: str
    description: str
    occurred_at: datetime
    reverses_id: int | None
    legs: tuple[JournalLeg, ...]


class Syntax(Protocol):
    """How a program wants to be told of a period: its beginning, each entry, its end."""

    ending: str

    def begin(self, heading: Heading, balances: Sequence[Balance]) -> Iterator[str]: ...

    def entry(self, heading: Heading, entry: JournalEntry) -> str: ...

    def end(self, heading: Heading, balances: Sequence[Balance]) -> Iterator[str]: ...


def commodity(currency: str) -> str:
    """The name of a currency's smallest unit: EUR is counted in EURCENT, JPY in JPY."""
    digits = minor_digits(currency)
    return currency + _UNITS.get(digits, f"E{digits}")


def accounting_date(heading: Heading, occurred_at: datetime) -> date:
    """The day an entry counts for: when it happened, in the books' zone, moved into the period it is posted in."""
    happened = occurred_at.astimezone(ZoneInfo(heading.zone)).date()
    return min(max(happened, heading.starts_on), heading.ends_on - timedelta(days=1))


class Beancount:
    """beancount 3: ``balance`` directives hold at the start of their day, so the last ones stand on the next month."""

    ending = "beancount"

    def begin(self, heading: Heading, balances: Sequence[Balance]) -> Iterator[str]:
        """Options, commodities, accounts, and one entry of what was brought along."""
        before = heading.starts_on - timedelta(days=1)
        yield _preface(heading)
        yield f'option "title" {_quoted(f"{heading.manufacturer} {heading.label}")}\n'
        yield 'plugin "beancount.plugins.noduplicates"\nplugin "beancount.plugins.check_commodity"\n\n'
        for unit in _units(balances):
            yield f"{before} commodity {unit}\n"
        for account, units in _accounts(balances):
            yield f"{before} open {account} {','.join(units)}\n"
        brought = [each for each in balances if each.opening_minor]
        for currency in sorted({each.currency for each in brought}):
            yield f'\n{before} * "Brought along" ^opening-{currency}\n'
            yield from _amounts(brought, currency)
        yield "\n"
        for each in balances:
            yield f"{heading.starts_on} balance {each.account} {each.opening_minor} {commodity(each.currency)}\n"

    def entry(self, heading: Heading, entry: JournalEntry) -> str:
        """Transactions carry their number as a link: two alike are two, one told twice is a duplicate."""
        unit, documents = commodity(entry.currency), {leg.document for leg in entry.legs} != {entry.document}
        counts_on = accounting_date(heading, entry.occurred_at)
        lines = [
            f"\n{counts_on} * {_quoted(entry.description or entry.kind)} ^T{entry.id}",
            f"  kind: {_quoted(entry.kind)}",
            f"  document: {_quoted(entry.document)}",
            f"  occurred: {_quoted(_instant(entry.occurred_at))}",
        ]
        if entry.reverses_id is not None:
            lines.append(f'  reverses: "T{entry.reverses_id}"')
        for leg in entry.legs:
            lines.append(f"  {leg.account}  {leg.amount_minor} {unit}")
            if documents:
                lines.append(f"    document: {_quoted(leg.document)}")
        return "\n".join(lines) + "\n"

    def end(self, heading: Heading, balances: Sequence[Balance]) -> Iterator[str]:
        """What every account holds."""
        yield "\n"
        for each in balances:
            yield f"{heading.ends_on} balance {each.account} {each.closing_minor} {commodity(each.currency)}\n"


class Hledger:
    """hledger 1.25 and newer: a balance is asserted on a posting, here on ones of nothing at the end of the month."""

    ending = "journal"

    def begin(self, heading: Heading, balances: Sequence[Balance]) -> Iterator[str]:
        """Commodities, accounts, and one entry of what was brought along, asserted where it stands."""
        before = heading.starts_on - timedelta(days=1)
        yield _preface(heading)
        for unit in _units(balances):
            yield f"commodity 1. {unit}\n"
        for account, _ in _accounts(balances):
            yield f"account {account}\n"
        brought = [each for each in balances if each.opening_minor]
        for currency in sorted({each.currency for each in brought}):
            yield f"\n{before} * (opening-{currency}) Brought along\n"
            yield from _amounts(brought, currency, asserted=True)

    def entry(self, heading: Heading, entry: JournalEntry) -> str:
        """Transactions carry their number as their code."""
        unit = commodity(entry.currency)
        words = entry.description.replace(";", ",") or entry.kind
        tags = [f"kind:{entry.kind}", f"document:{_word(entry.document)}", f"occurred:{_instant(entry.occurred_at)}"]
        if entry.reverses_id is not None:
            tags.append(f"reverses:T{entry.reverses_id}")
        counts_on = accounting_date(heading, entry.occurred_at)
        lines = [f"\n{counts_on} * (T{entry.id}) {_blank(words)}  ; {', '.join(tags)}"]
        for leg in entry.legs:
            note = f"  ; document:{_word(leg.document)}" if leg.document != entry.document else ""
            lines.append(f"    {leg.account}  {leg.amount_minor} {unit}{note}")
        return "\n".join(lines) + "\n"

    def end(self, heading: Heading, balances: Sequence[Balance]) -> Iterator[str]:
        """What every account holds, in an entry that moves nothing."""
        for currency in sorted({each.currency for each in balances}):
            yield f"\n{heading.ends_on - timedelta(days=1)} * (closing-{currency}) Held in the end\n"
            unit = commodity(currency)
            for each in balances:
                if each.currency == currency:
                    yield f"    {each.account}  0 {unit} = {each.closing_minor} {unit}\n"


SYNTAXES: dict[str, Syntax] = {"beancount": Beancount(), "hledger": Hledger()}


def _preface(heading: Heading) -> str:
    lines = [
        f"; Journal of {heading.manufacturer}, {heading.label}, {heading.state.replace('_', '-')}",
        f"; {heading.starts_on} to {heading.ends_on - timedelta(days=1)}, {heading.zone}; amounts in minor units",
        "; An entry is dated when it happened, moved into this period where that was before or after it.",
    ]
    if heading.chained:
        lines.append(f"; Chained: {heading.chained}")
    return "\n".join(lines) + "\n\n"


def _amounts(balances: Sequence[Balance], currency: str, *, asserted: bool = False) -> Iterator[str]:
    unit = commodity(currency)
    for each in balances:
        if each.currency == currency:
            held = f" = {each.opening_minor} {unit}" if asserted else ""
            yield f"  {each.account}  {each.opening_minor} {unit}{held}\n"


def _units(balances: Sequence[Balance]) -> list[str]:
    return sorted({commodity(each.currency) for each in balances})


def _accounts(balances: Sequence[Balance]) -> list[tuple[str, list[str]]]:
    units: dict[str, set[str]] = {}
    for each in balances:
        units.setdefault(each.account, set()).add(commodity(each.currency))
    return [(account, sorted(units[account])) for account in sorted(units)]


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _quoted(words: str) -> str:
    return '"' + _blank(words).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _blank(words: str) -> str:
    """One line without control characters."""
    return _BLANKS.sub(" ", words).strip()


def _word(words: str) -> str:
    """A value of a tag: these end at a comma or a blank line's end."""
    return _NOT_IN_WORDS.sub("-", words)
