"""The program that sets evidence as PDF: JSON comes in, the PDF goes out; run apart from the web process.

Apart, because the typesetter keeps what it allocated. It reads one template and no other file, and fetches nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from portal.config import ROOT, TEMPLATES
from portal.errors import RuleBroken
from portal.lazily import lazily

if TYPE_CHECKING:
    import typst
else:
    typst = lazily("typst")

TEMPLATE = TEMPLATES / "adjustments" / "evidence.typ"
LONGEST_SECONDS = 60
# Tagged for screen readers and checked to be so. *Source*: ISO 14289-1.
ACCESSIBLE = "ua-1"


def typeset(said: dict[str, Any]) -> bytes:
    """The PDF, made by a process of its own. *Raises*: RuleBroken when it cannot be made."""
    command = [sys.executable, "-m", "portal.adjustments.typesetting"]
    try:
        done = subprocess.run(
            command, input=json.dumps(said).encode(), capture_output=True, cwd=ROOT, timeout=LONGEST_SECONDS, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise RuleBroken("The evidence cannot be printed now; try again in a minute.") from error
    return done.stdout


def pdf(said: str) -> bytes:
    """The PDF of evidence given as JSON; where no font here has a character, it is tagged but not certified so."""
    try:
        return _compiled(said, [ACCESSIBLE])
    except typst.TypstError as error:
        if "could not be displayed" not in str(error):
            raise
        return _compiled(said, [])


def _compiled(said: str, standards: list[Any]) -> bytes:
    made = typst.compile(
        TEMPLATE, None, root=TEMPLATE.parent, format="pdf", sys_inputs={"evidence": said}, pdf_standards=standards
    )
    if not isinstance(made, bytes):
        raise TypeError("the typesetter made no document")
    return made


if __name__ == "__main__":
    sys.stdout.buffer.write(pdf(sys.stdin.read()))
