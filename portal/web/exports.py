"""Tables as CSV files, safe to open in a spreadsheet: text that a program would take for a formula is only text."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import IO

from flask import Response

from portal.money import Money, minor_digits

# What spreadsheets take for the beginning of a formula. *Source*: OWASP, CSV Injection, 2026.
_FORMULA = re.compile(r"\A\s*[=+\-@\t\r]")
IN_MEMORY_BYTES = 2 * 1024 * 1024
_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")

CsvValue = str | int | Decimal | datetime | None


def csv_text(value: CsvValue) -> str:
    """One cell as text; numbers and instants as they are, words with a leading apostrophe where they could calculate.

    *Raises*: TypeError for a float.
    """
    if value is None:
        return ""
    if isinstance(value, float):
        raise TypeError("a report holds no floats")
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    text = value.replace("\x00", "")
    return f"'{text}" if _FORMULA.match(text) else text


def money_cells(amount: Money | None) -> tuple[Decimal | None, str]:
    """An amount as two cells: the exact decimal number, and its currency."""
    if amount is None:
        return None, ""
    return Decimal(amount.minor).scaleb(-minor_digits(amount.currency)), amount.currency


def spooled(pieces: Iterable[str]) -> IO[bytes]:
    """Text in a file from its beginning: in memory while it is small, on disk beyond; the receiver closes it."""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
    for piece in pieces:
        file.write(piece.encode())
    file.seek(0)
    return file


def csv_pieces(head: Sequence[str], rows: Iterable[Sequence[CsvValue]]) -> Iterator[str]:
    """A table as CSV, row by row, for one that does not fit into memory."""
    for row in chain([head], rows):
        line = io.StringIO()
        csv.writer(line).writerow([csv_text(value) for value in row])
        yield line.getvalue()


def csv_response(name: str, head: Sequence[str], rows: Iterable[Sequence[CsvValue]]) -> Response:
    """A download called ``name``.csv in UTF-8, with the mark by which spreadsheets know it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([csv_text(label) for label in head])
    writer.writerows([csv_text(value) for value in row] for row in rows)
    response = Response(out.getvalue().encode("utf-8-sig"), mimetype="text/csv")
    file_name = _FILE_NAME.sub("-", name).strip("-") or "export"
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name}.csv"'
    return response
