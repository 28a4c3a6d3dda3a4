"""The program that sets a statement as PDF: JSON comes in, the PDF goes out; run apart from the web process.

Apart, because the typesetter keeps what it allocated and a page of names nobody has seen yet may fail: neither is to
stay in a process that serves others. It reads one template and no other file, and fetches nothing.
"""

from __future__ import annotations

import sys
from typing import Any

import typst

from portal.config import TEMPLATES

TEMPLATE = TEMPLATES / "settlement" / "statement.typ"
# Tagged for screen readers and checked to be so. *Source*: ISO 14289-1.
ACCESSIBLE = "ua-1"
_NO_GLYPH = "could not be displayed"


def pdf(said: str) -> bytes:
    """The PDF of a statement given as JSON; where no font here has a character, it is tagged but not certified so."""
    try:
        return _compiled(said, [ACCESSIBLE])
    except typst.TypstError as error:
        if _NO_GLYPH not in str(error):
            raise
        return _compiled(said, [])


def _compiled(said: str, standards: list[Any]) -> bytes:
    made = typst.compile(
        TEMPLATE,
        None,
        root=TEMPLATE.parent,
        format="pdf",
        sys_inputs={"statement": said},
        pdf_standards=standards,
    )
    if not isinstance(made, bytes):
        raise TypeError("the typesetter made no document")
    return made


if __name__ == "__main__":
    sys.stdout.buffer.write(pdf(sys.stdin.read()))
