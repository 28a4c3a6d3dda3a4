"""A statement as PDF: the same lines and the same content hash as its CSV, money and dates in the reader's language.

Invariants: what people wrote goes to the typesetter as JSON, never as markup; the document refuses to be made when its
lines do not sum to the net.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import get_currency_symbol
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.config import ROOT
from portal.directory.queries import organisation_names
from portal.errors import RuleBroken
from portal.identity.models import Person
from portal.ledger.models import Period
from portal.money import minor_digits
from portal.settlement import queries
from portal.settlement.models import Statement, StatementLine

# Beyond this nobody reads paper, and the typesetter takes more than a minute; the CSV has no end.
MOST_LINES = 5_000
LONGEST_SECONDS = 120
HEADS = ("No.", "Case", "What", "Date", "Amount")
# Where paper is not A4. *Source*: CLDR, supplemental measurement data, US paper size.
LETTER_TERRITORIES = frozenset({"BZ", "CA", "CL", "CO", "CR", "GT", "MX", "NI", "PA", "PH", "PR", "SV", "US", "VE"})


@dataclass(frozen=True)
class Reader:
    """For whom it is printed: the language of money and dates, and the zone of days."""

    locale: Locale
    zone: ZoneInfo


def statement_pdf(session: Session, actor: Actor, statement_id: int, reader: Reader) -> bytes:
    """A statement on paper. *Raises*: NotAllowed, NotFound, RuleBroken for one too long to print."""
    return typeset(statement_said(session, actor, statement_id, reader))


def statement_said(session: Session, actor: Actor, statement_id: int, reader: Reader) -> dict[str, Any]:
    """What the PDF says. *Raises*: NotAllowed, NotFound, RuleBroken."""
    statement = queries.statement_seen(session, actor, statement_id)
    if statement.line_count > MOST_LINES:
        raise RuleBroken(f"A statement of more than {MOST_LINES} lines is not printed; take it as CSV.")
    lines = queries.lines(session, actor, statement_id, most=MOST_LINES)
    names = organisation_names(session, [statement.party_id, statement.manufacturer_id])
    period = session.get_one(Period, statement.period_id)
    party, manufacturer = names.get(statement.party_id, ""), names.get(statement.manufacturer_id, "")
    return {
        "title": f"Statement {statement.name}",
        "manufacturer": manufacturer,
        "sha256": statement.content_sha256,
        "paper": "us-letter" if reader.locale.territory in LETTER_TERRITORIES else "a4",
        "number": number_style(statement.currency, reader.locale),
        "facts": _facts(statement, reader, {"For": party, "By": manufacturer, "Period": period.label}),
        "heads": HEADS,
        "lines": [_row(line, reader) for line in lines],
        "net": statement.net_minor,
        "net_says": f"Net in favour of {party}" if statement.net_minor >= 0 else f"Net owed by {party}",
        "probes": [],
    }


def _facts(statement: Statement, reader: Reader, named: dict[str, str]) -> list[tuple[str, str]]:
    return [
        *named.items(),
        ("Currency", statement.currency),
        ("Lines", str(statement.line_count)),
        ("Made", _day(statement.made_at, reader)),
        ("Review until", _day(statement.review_until, reader)),
        ("Content", statement.content_sha256),
    ]


def _row(line: StatementLine, reader: Reader) -> tuple[int, str, str, str, int]:
    what = f"{line.description} ({line.kind})" if line.description else line.kind
    # As on the page; the names within keep theirs.
    what = what[:1].upper() + what[1:]
    return line.position, line.case_name, what, _day(line.occurred_at, reader), line.amount_minor


def _day(at: datetime, reader: Reader) -> str:
    return format_date(at.astimezone(reader.zone).date(), format="medium", locale=reader.locale)


def number_style(currency: str, locale: Locale) -> dict[str, Any]:
    """How a language writes amounts of a currency, for a program that has only whole minor units."""
    pattern = locale.currency_formats["standard"]
    symbols = locale.number_symbols["latn"]
    symbol = get_currency_symbol(currency, locale=locale)
    return {
        "digits": minor_digits(currency),
        "decimal": symbols.get("currencyDecimal", symbols["decimal"]),
        "group": symbols.get("currencyGroup", symbols["group"]),
        "groups": pattern.grouping,
        "positive": [part[0].replace("¤", symbol) for part in (pattern.prefix, pattern.suffix)],
        "negative": [part[1].replace("¤", symbol) for part in (pattern.prefix, pattern.suffix)],
    }


def locale_of(session: Session, actor: Actor, wanted: Sequence[str]) -> Locale:
    """The first of the languages wanted that is known here, or the person's own."""
    own = session.scalar(select(Person.locale).where(Person.id == actor.person_id))
    for name in (*wanted, own or ""):
        try:
            return Locale.parse(name.replace("-", "_"))
        except (ValueError, UnknownLocaleError):
            continue
    return Locale("en", "US")


def typeset(said: dict[str, Any], what: str = "statement") -> bytes:
    """The PDF of a statement, or of another document with a template, made by a process of its own.

    *Raises*: RuleBroken when it cannot be made.
    """
    command = [sys.executable, "-m", "portal.settlement.typesetting", what]
    try:
        done = subprocess.run(
            command, input=json.dumps(said).encode(), capture_output=True, cwd=ROOT, timeout=LONGEST_SECONDS, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise RuleBroken("It cannot be printed now; its CSV has every line.") from error
    return done.stdout
