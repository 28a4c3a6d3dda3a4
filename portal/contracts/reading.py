"""Reading a document: TOML or canonical JSON in, a frozen value out, or every problem with its line and key.

Shape errors come from pydantic and are put into plain words; contradictions come from the document's own checks and
name both places.
"""

from __future__ import annotations

import json
import tomllib
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from portal.contracts.toml_lines import Path, key_lines, line_of
from portal.errors import DocumentInvalid, Problem

__all__ = ["Contradiction", "Problem", "document_from_json", "document_from_toml", "problems_of"]

LONGEST_DOCUMENT = 1_000_000
_TOML_POSITION = "(at line "
Document = TypeVar("Document", bound=BaseModel)


@dataclass(frozen=True)
class Contradiction:
    """Two places of a document that do not go together; ``other`` is None where one place is wrong by itself."""

    path: Path
    message: str
    other: Path | None = None


def document_from_toml(
    model: type[Document], text: str, contradictions: Callable[[Document], Iterable[Contradiction]]
) -> Document:
    """The ``model`` value that ``text`` says.

    *Raises*: DocumentInvalid listing every problem found, in the order of the lines.
    """
    if len(text) > LONGEST_DOCUMENT:
        raise DocumentInvalid([Problem(1, "", f"The document is longer than {LONGEST_DOCUMENT:,} characters.")])
    try:
        values = tomllib.loads(text)
        lines = key_lines(text)
    except ValueError as error:
        # Mostly TOMLDecodeError; a number of thousands of digits is refused by Python itself.
        raise DocumentInvalid([_syntax_problem(text, str(error))]) from None
    except RecursionError:
        raise DocumentInvalid([Problem(1, "", "Lists or tables are nested too deeply.")]) from None
    return _validated(model, json.dumps(values, default=_as_text), contradictions, lines)


def document_from_json(
    model: type[Document], text: str, contradictions: Callable[[Document], Iterable[Contradiction]]
) -> Document:
    """The ``model`` value back from its canonical JSON.

    *Raises*: DocumentInvalid; stored documents are checked again when they are read.
    """
    return _validated(model, text, contradictions, None)


def _validated(
    model: type[Document],
    text: str,
    contradictions: Callable[[Document], Iterable[Contradiction]],
    lines: Mapping[Path, int] | None,
) -> Document:
    try:
        document = model.model_validate_json(text)
    except ValidationError as error:
        problems = [_shape_problem(model, dict(detail), lines) for detail in error.errors(include_url=False)]
        raise DocumentInvalid(sorted(problems, key=_position)) from None
    found = _sorted_problems(contradictions(document), lines)
    if found:
        raise DocumentInvalid(found)
    return document


def problems_of(contradictions: Iterable[Contradiction], text: str | None) -> tuple[Problem, ...]:
    """Contradictions as problems, with the lines of ``text`` where it is given."""
    return _sorted_problems(contradictions, key_lines(text) if text is not None else None)


def _sorted_problems(contradictions: Iterable[Contradiction], lines: Mapping[Path, int] | None) -> tuple[Problem, ...]:
    return tuple(sorted((_contradiction_problem(each, lines) for each in contradictions), key=_position))


def _position(problem: Problem) -> tuple[int, str]:
    return problem.line or 0, problem.key


def _as_text(value: object) -> str:
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} does not come from TOML")


def _syntax_problem(text: str, message: str) -> Problem:
    """TOML's own error, its position taken out of the sentence."""
    sentence, found, position = message.partition(_TOML_POSITION)
    digits = position.split(",")[0]
    line = int(digits) if found and digits.isdigit() else text.count("\n") + 1
    return Problem(line, "", f"This is not TOML: {sentence.strip() or message}.")


def key_of(path: Path) -> str:
    """A path as a person reads it: plans[2].targets[1].minutes, counting from 1."""
    key = ""
    for part in path:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if key else part
    return key


def _contradiction_problem(found: Contradiction, lines: Mapping[Path, int] | None) -> Problem:
    message = found.message
    if found.other is not None:
        where = f" (line {line_of(lines, found.other)})" if lines is not None else ""
        message = f"{message}; see {key_of(found.other)}{where}"
    return Problem(line_of(lines, found.path) if lines is not None else None, key_of(found.path), f"{message}.")


def _shape_problem(model: type[BaseModel], detail: dict[str, Any], lines: Mapping[Path, int] | None) -> Problem:
    path: Path = tuple(detail["loc"])
    line = line_of(lines, path) if lines is not None else None
    return Problem(line, key_of(path), _sentence(model, path, detail))


def _sentence(model: type[BaseModel], path: Path, detail: Mapping[str, Any]) -> str:
    """What is wrong and what is allowed, in plain words."""
    kind, context = str(detail["type"]), detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(model, path)
    fixed = {
        "missing": "This key is missing.",
        "string_type": 'Text in quotes is expected, such as "150.00".',
        "int_type": "A whole number is expected, without quotes.",
        "bool_type": "true or false is expected, without quotes.",
        "tuple_type": "A list in square brackets is expected.",
        "model_type": "A table is expected.",
        "model_attributes_type": "A table is expected.",
        "too_short": "At least one row is needed.",
    }
    if kind in fixed:
        return fixed[kind]
    if kind == "string_pattern_mismatch":
        return f"This does not have the form that is allowed here: {_form(str(context['pattern']))}."
    if kind == "value_error":
        return f"{_capital(str(context['error']))}."
    message = str(detail["msg"]).removeprefix("Input should be ")
    return f"Allowed here: {message}."


def _form(pattern: str) -> str:
    """The forms of blocks.py in words."""
    words = {
        "[a-z][a-z0-9_]{0,39}": "a code of small letters, digits and underscores, at most 40",
        r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?": 'an amount such as "150.00", at most four decimals',
        "[A-Z]{3}": 'a currency code such as "EUR"',
        "[A-Z][A-Z0-9]{1,9}": 'an organisation code such as "NOR"',
        "txcd_[0-9]{8}": 'a tax code of Stripe such as "txcd_20030000"',
        r"\d\d-\d\d": 'a month and day such as "12-25"',
        r"[^@\s]+@[^@\s]+\.[^@\s]+": "a mail address",
        "[A-Za-z0-9][A-Za-z0-9 ./_+-]{0,79}": "a product line code, at most 80 characters",
    }
    return words.get(pattern.removeprefix("^").removesuffix("$"), pattern)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _unknown_key(model: type[BaseModel], path: Path) -> str:
    if path[-1] in ("minimum_resale_price", "resale_floor_bp", "minimum_bp", "floor_bp"):
        return "A minimum resale price is refused: an agreement names a ceiling or a recommended price only."
    allowed = ", ".join(sorted(_table_at(model, path[:-1]).model_fields))
    return f"This key is not known. Allowed here: {allowed}."


def _table_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """The model whose keys stand at ``path``; a table's field is a model, or a list of one."""
    table = model
    for name in path:
        if isinstance(name, str):
            annotation = table.model_fields[name].annotation
            kinds = typing.get_args(annotation) or (annotation,)
            table = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return table
