"""Names that attack or overflow a page: every company and place of the cast renamed, every page still whole."""

from __future__ import annotations

import csv
import io

from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests.support.cast import Cast

MARKUP, FORMULA = "<script>alert(1)</script>", '=HYPERLINK("https://evil.example")'
# Right to left with an override of the direction, Chinese and Japanese, and a word that is longer than any column.
NAME = f"{FORMULA} {MARKUP} \u202eשלום عربي 漢字かな {'x' * 300}"


def rename(session: Session, cast: Cast) -> None:
    """Give the companies and places of the cast such a name."""
    for row in (cast.factory, cast.integrator, cast.customer, cast.site, cast.plain_site):
        row.name = NAME
    session.add_all([cast.factory, cast.integrator, cast.customer, cast.site, cast.plain_site])
    session.commit()


def check_harmless(answer: TestResponse, *, names: bool = True) -> None:
    """The page is there and shows the name as text; in a table of cells none begins with what calculates."""
    assert answer.status_code == 200
    if answer.mimetype == "text/csv":
        cells = [cell for row in csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
        assert not names or any(cell.startswith(f"'{FORMULA}") for cell in cells)
        return
    assert MARKUP not in answer.text
    assert not names or "&lt;script&gt;alert(1)" in answer.text
