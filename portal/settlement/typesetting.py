"""The program that sets statements and their invoices as PDF: JSON in, the PDF out; run apart from the web process.

Apart, because the typesetter keeps what it allocated and a page of names nobody has seen yet may fail: neither is to
stay in a process that serves others. It reads its templates and no other file, and fetches nothing.
"""

from __future__ import annotations

import sys
from typing import Any

import typst

from portal.config import TEMPLATES

FOLDER = TEMPLATES / "settlement"
TEMPLATE = FOLDER / "statement.typ"
SET = {"statement": TEMPLATE, "self_billed": FOLDER / "self_billed.typ"}
# Tagged for screen readers and checked to be so. *Source*: ISO 14289-1.
ACCESSIBLE = "ua-1"
_NO_GLYPH = "could not be displayed"


def pdf(said: str, what: str = "statement") -> bytes:
    """The PDF of a document given as JSON; where no font here has a character, it is tagged but not certified so."""
    try:
        return _compiled(said, what, [ACCESSIBLE])
    except typst.TypstError as error:
        if _NO_GLYPH not in str(error):
            raise
        return _compiled(said, what, [])


def _compiled(said: str, what: str, standards: list[Any]) -> bytes:
    made = typst.compile(
        SET[what],
        None,
        root=FOLDER,
        format="pdf",
        sys_inputs={"statement": said},
        pdf_standards=standards,
    )
    if not isinstance(made, bytes):
        raise TypeError("the typesetter made no document")
    return made


if __name__ == "__main__":
    sys.stdout.buffer.write(pdf(sys.stdin.read(), *sys.argv[1:2]))
