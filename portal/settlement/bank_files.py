"""A bank's statement as a file, CSV with a head or camt.053, read into lines; which posting a line answers to: pure.

Invariants: a file is read whole or not at all, and what is wrong with it is said by line; amounts are signed as the
account sees them, what left it below zero; only what the bank has booked counts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TypeVar
from xml.etree import ElementTree

from portal.errors import Invalid
from portal.money import minor_digits, parse_amount

LONGEST_REFERENCE = 100
LONGEST_WORDS = 300
MOST_LINES = 20_000
# A transfer is at the bank some days after Stripe has sent it, or before we have heard of it.
DAYS_APART = timedelta(days=10)
# The heads that a column may have. *Source*: exports of eight banks, 2026.
_COLUMNS = {
    "date": ("date", "booked_on", "booking date", "value date", "buchungstag", "datum"),
    "amount": ("amount", "betrag"),
    "currency": ("currency", "waehrung", "währung"),
    "reference": ("reference", "transaction id", "end-to-end reference", "kundenreferenz", "referenz"),
    "words": ("description", "text", "purpose", "verwendungszweck", "details"),
}
Value = TypeVar("Value")
_NEEDED = ("date", "amount", "currency", "reference")


@dataclass(frozen=True)
class BankEntry:
    """A line of the bank's statement; ``nth`` counts the lines of a file that say exactly the same, from 1."""

    booked_on: date
    currency: str
    amount_minor: int
    reference: str
    words: str = ""
    nth: int = 1

    @property
    def said(self) -> tuple[object, ...]:
        """What makes a line the same as another."""
        return self.booked_on, self.currency, self.amount_minor, self.reference


@dataclass(frozen=True)
class Booked:
    """A posting to the bank account that no line answers to yet."""

    posting_id: int
    currency: str
    amount_minor: int
    booked_on: date


def read_bank_file(raw: bytes) -> list[BankEntry]:
    """The lines of a file in its order. *Raises*: Invalid, saying which line is wrong and how to mend it."""
    text = _decoded(raw)
    entries = list(_of_camt(text) if text.lstrip().startswith("<") else _of_csv(text))
    if not entries:
        raise _wrong("The file has no booked line.")
    if len(entries) > MOST_LINES:
        raise _wrong(f"The file has more than {MOST_LINES} lines; upload it in parts.")
    return list(_numbered(entries))


def matched(entries: Sequence[tuple[int, BankEntry]], booked: Iterable[Booked]) -> dict[int, int]:
    """The posting that each line answers to, by the line's id: same currency and amount, the nearest day first.

    *Shape*: no posting twice; a line without a posting within the days is left out.
    """
    free: dict[tuple[str, int], list[Booked]] = {}
    for each in booked:
        free.setdefault((each.currency, each.amount_minor), []).append(each)
    found = {}
    for entry_id, entry in sorted(entries, key=lambda pair: (pair[1].booked_on, pair[0])):
        near = [
            each
            for each in free.get((entry.currency, entry.amount_minor), ())
            if abs(each.booked_on - entry.booked_on) <= DAYS_APART
        ]
        if near:
            chosen = min(near, key=lambda each: (abs(each.booked_on - entry.booked_on), each.posting_id))
            free[entry.currency, entry.amount_minor].remove(chosen)
            found[entry_id] = chosen.posting_id
    return found


def _decoded(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _wrong("The file is neither text nor camt.053.")


def _numbered(entries: Iterable[BankEntry]) -> Iterator[BankEntry]:
    seen: dict[tuple[object, ...], int] = {}
    for entry in entries:
        seen[entry.said] = seen.get(entry.said, 0) + 1
        yield replace(entry, nth=seen[entry.said])


def _of_csv(text: str) -> Iterator[BankEntry]:
    head = text.partition("\n")[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    places = _places(next(rows, []))
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = {name: row[place].strip() if place < len(row) else "" for name, place in places.items()}
        yield _entry(f"Line {number}", cells, with_comma=delimiter == ";")


def _places(head: Sequence[str]) -> dict[str, int]:
    named = {cell.strip().strip('"').lower(): place for place, cell in enumerate(head)}
    places = {name: named[known] for name, spellings in _COLUMNS.items() for known in spellings[::-1] if known in named}
    missing = [name for name in _NEEDED if name not in places]
    if missing:
        raise _wrong(f"The first line names the columns; missing: {', '.join(missing)}.")
    return places


def _entry(where: str, cells: dict[str, str], *, with_comma: bool = False) -> BankEntry:
    amount = cells["amount"].replace("\u2212", "-")
    reference = cells["reference"] or cells.get("words", "")
    if not reference:
        raise _wrong(f"{where}: a line needs a reference, so that it is not taken twice.")
    currency = cells["currency"].upper()
    return BankEntry(
        _said(where, "the day, as 2026-03-31 or 31.03.2026", lambda: _day(cells["date"])),
        currency,
        _said(
            where,
            "the amount, as -1250.00",
            lambda: _signed(_with_point(amount, currency) if with_comma else amount, currency),
        ),
        reference[:LONGEST_REFERENCE],
        cells.get("words", "")[:LONGEST_WORDS],
    )


def _said(where: str, what: str, read: Callable[[], Value]) -> Value:
    try:
        return read()
    except (ValueError, Invalid) as error:
        raise _wrong(f"{where}: write {what}.") from error


def _with_point(amount: str, currency: str) -> str:
    """An amount of a file with semicolons, whose bank writes a comma before the decimals, or a point all the same.

    *Raises*: ValueError for a point that may stand before the decimals as well as between thousands.
    """
    decimals, thousands = (",", ".") if amount.rfind(",") > amount.rfind(".") else (".", ",")
    after = amount.rpartition(decimals)[2]
    if decimals == "." and thousands not in amount and len(after) == 3:
        if "." in amount and amount.count(".") == 1 and minor_digits(currency) == 3:
            raise ValueError("thousands or decimals")
        return amount.replace(".", "")
    return amount.replace(thousands, "").replace(decimals, ".")


def _day(text: str) -> date:
    if "." in text:
        day, month, year = (int(part) for part in text.split("."))
        # Some banks leave the century out.
        return date(year if year > 99 else 2000 + year, month, day)
    return date.fromisoformat(text[:10])


def _signed(text: str, currency: str) -> int:
    words = text.strip().lstrip("+")
    if words.startswith("-"):
        return -parse_amount(words[1:], currency).minor
    return parse_amount(words, currency).minor


def _of_camt(text: str) -> Iterator[BankEntry]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _wrong("A camt.053 file has no document type; this one was not made by a bank.")
    try:
        # Without a document type nothing in it can expand or be fetched.
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise _wrong("The file is not whole: its XML does not end as it begins.") from error
    if not any(_name(each) == "BkToCstmrStmt" for each in root.iter()):
        raise _wrong("The file is XML but no camt.053 statement.")
    for number, found in enumerate((each for each in root.iter() if _name(each) == "Ntry"), start=1):
        if _text(found, "Sts").upper() in ("", "BOOK"):
            yield _of_entry(f"Entry {number}", found)


def _of_entry(where: str, found: ElementTree.Element) -> BankEntry:
    amount = _first(found, "Amt")
    if amount is None:
        raise _wrong(f"{where} has no amount.")
    sign = "-" if _text(found, "CdtDbtInd") == "DBIT" else ""
    booked = _first(found, "BookgDt")
    reference = _text(found, "AcctSvcrRef") or _text(found, "EndToEndId") or _text(found, "NtryRef")
    return _entry(
        where,
        {
            "date": "".join(booked.itertext()).strip() if booked is not None else "",
            "amount": f"{sign}{(amount.text or '').strip()}",
            "currency": amount.get("Ccy", ""),
            "reference": reference,
            "words": _text(found, "Ustrd") or _text(found, "AddtlNtryInf"),
        },
    )


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _first(element: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next((each for each in element.iter() if _name(each) == name), None)


def _text(element: ElementTree.Element, name: str) -> str:
    found = _first(element, name)
    return "".join(found.itertext()).strip() if found is not None else ""


def _wrong(sentence: str) -> Invalid:
    return Invalid(sentence, {"file": sentence})
