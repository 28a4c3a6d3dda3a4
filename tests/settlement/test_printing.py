"""A statement on paper: amounts as the reader writes them, totals on every page, names of any kind, and only text."""

from __future__ import annotations

import json
from datetime import UTC
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typst
from babel import Locale
from babel.numbers import format_currency

from portal.errors import NotAllowed, NotFound, RuleBroken
from portal.money import minor_digits
from portal.settlement import printing, typesetting
from tests.support.payments import earn, open_books
from tests.support.settling import close, statement_of

MINOR = [0, 5, -5, 99, 100, 123_456, -123_456, 98_765_432_109, -1_000]
HOSTILE = '#panic("x") $x^2$ *b* _i_ <page> @ref \\ // /* `raw` = h - l\n+ e #import "a.typ"'
NAMES = {
    "long": "Gesellschaft für Sicherheitstechnik " * 12,
    "rtl": "שלום ومرحبا",
    "cjk": "株式会社東京警備",
    "hostile": HOSTILE,
}


def said(amounts: list[int], name: str = "Kessler", **other: Any) -> dict[str, Any]:
    """A statement to print, with a line per amount."""
    return {
        "title": f"Statement {name}",
        "manufacturer": name,
        "sha256": "ab" * 32,
        "paper": "a4",
        "number": printing.number_style("EUR", Locale("de", "DE")),
        "facts": [("For", name)],
        "heads": printing.HEADS,
        "lines": [(at, name, name, "3 Mar 2026", amount) for at, amount in enumerate(amounts, start=1)],
        "net": sum(amounts),
        "net_says": f"Net owed by {name}",
        "probes": [],
        **other,
    }


def asked(given: dict[str, Any], selector: str) -> list[Any]:
    """What the template set under a label."""
    inputs = {"statement": json.dumps(given)}
    found = typst.query(
        typesetting.TEMPLATE, selector, field="value", root=typesetting.TEMPLATE.parent, sys_inputs=inputs
    )
    return json.loads(found)


@pytest.mark.parametrize("currency", ["EUR", "USD", "JPY", "KWD"])
@pytest.mark.parametrize("locale", ["en_US", "de_DE", "de_CH", "fr_FR", "hi_IN", "nl_NL"])
def test_amounts_are_written_as_the_reader_writes_them(locale: str, currency: str) -> None:
    style = printing.number_style(currency, Locale.parse(locale))
    scale = -minor_digits(currency)
    wanted = [format_currency(Decimal(minor).scaleb(scale), currency, locale=locale) for minor in MINOR]
    assert asked(said([1], number=style, probes=MINOR), "<probe>") == wanted


def test_every_page_carries_its_total_forward() -> None:
    amounts = [(-1) ** at * at * 1_111 for at in range(1, 121)]
    pages = [tuple(page) for page in asked(said(amounts), "<page>")]
    assert len(pages) > 2
    assert pages[0][0] == 0
    assert [before for before, _ in pages[1:]] == [held for _, held in pages[:-1]]
    assert pages[-1][1] == sum(amounts)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind_are_printed_and_read_aloud(name: str) -> None:
    made = typesetting.pdf(json.dumps(said([100, -350], NAMES[name])))
    assert made.startswith(b"%PDF-")
    assert b"StructTreeRoot" in made
    # Certified as accessible where the fonts here know every character; for these they come with the typesetter.
    assert b"pdfuaid" in made or name == "cjk"


def test_lines_that_do_not_sum_to_the_net_are_not_printed() -> None:
    with pytest.raises(RuleBroken):
        printing.typeset(said([100, 200], net=301))


def test_pdf_says_what_the_statement_says_for_its_readers_only(work_engine, work_session, cast) -> None:
    open_books(work_session, cast)
    earn(work_session, cast, 10_000, 1)
    work_session.commit()
    statement = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    reader = printing.Reader(Locale("de"), ZoneInfo("Europe/Berlin"))
    told = printing.statement_said(work_session, cast.ivo, statement.id, reader)
    assert (told["net"], told["sha256"], len(told["lines"])) == (10_000, statement.content_sha256, 1)
    assert told["lines"][0][3].endswith(".2026")
    assert printing.statement_pdf(work_session, cast.ivo, statement.id, reader).startswith(b"%PDF-")
    for stranger in (cast.eve, cast.sam, cast.flo):
        with pytest.raises((NotFound, NotAllowed)):
            printing.statement_pdf(work_session, stranger, statement.id, printing.Reader(Locale("en"), UTC))


@pytest.mark.parametrize(("wanted", "language"), [(["tlh", "de-CH"], "de_CH"), (["*"], "en"), (["../x", ""], "en")])
def test_language_is_the_first_that_is_known(work_session, cast, wanted: list[str], language: str) -> None:
    assert str(printing.locale_of(work_session, cast.ivo, wanted)) == language
