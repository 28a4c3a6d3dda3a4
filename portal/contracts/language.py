"""The document language described from the schema's own words, so that the description cannot be another language."""

from __future__ import annotations

import ast
import inspect
import types
import typing
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from textwrap import dedent

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def described(document: type[BaseModel]) -> str:
    """The whole language of a document as text: each table, each key, what it takes, its default, what it means."""
    waiting: list[type[BaseModel]] = [document]
    seen: set[type[BaseModel]] = {document}
    sections = []
    while waiting:
        table = waiting.pop(0)
        sections.append("\n".join(_section(table, top=table is document)))
        for field in table.model_fields.values():
            for inner in _tables(field.annotation):
                if inner not in seen:
                    seen.add(inner)
                    waiting.append(inner)
    return "\n\n".join(sections)


def _section(table: type[BaseModel], *, top: bool) -> Iterator[str]:
    name = "The document" if top else table.__name__
    yield f"{name}: {(table.__doc__ or '').strip()}"
    means = meanings(table)
    for key, field in table.model_fields.items():
        yield f"  {key} = {_takes(field.annotation)}{_limits(field)}{_default(field)}"
        for line in means.get(key, "").splitlines():
            yield f"      {line.strip()}"


def meanings(table: type[BaseModel]) -> dict[str, str]:
    """What each key means: the text below it in the source.

    Pydantic reads the same, but for every table whenever the documents' schema is imported.
    """
    found: dict[str, str] = {}
    for base in reversed(table.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            (declared,) = ast.parse(dedent(inspect.getsource(base))).body
            for key, text in pairwise(getattr(declared, "body", ())):
                match key, text:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                        found[name] = inspect.cleandoc(said)
    return found


def _takes(annotation: object) -> str:
    """What a key takes, as a person writes it."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _takes(inner[0])
    if origin is tuple:
        return f"list of {_takes(inner[0])}"
    if origin is typing.Literal:
        return " or ".join(repr(value) for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_takes(one) for one in inner if one is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " | ".join(f'"{value.value}"' for value in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"table {annotation.__name__}"
    words = {"str": "text", "int": "whole number", "bool": "true or false", "date": "date", "datetime": "date and time"}
    plain = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return words.get(plain, plain)


def _limits(field: FieldInfo) -> str:
    """The least and the most of a number, and the form of a text."""
    said = []
    for part in _metadata(field):
        if (least := getattr(part, "ge", None)) is not None:
            said.append(f"from {least}")
        if (most := getattr(part, "le", None)) is not None:
            said.append(f"to {most}")
        if (pattern := getattr(part, "pattern", None)) is not None and len(pattern) < 40:
            form = str(pattern).removeprefix("^").removesuffix("$")
            said.append(f"of the form {form}")
    return f" ({' '.join(said)})" if said else ""


def _metadata(field: FieldInfo) -> Iterator[object]:
    waiting = [*field.metadata, *_annotations(field.annotation)]
    for part in waiting:
        yield part
        if isinstance(part, FieldInfo):
            yield from part.metadata


def _annotations(annotation: object) -> Iterator[object]:
    if typing.get_origin(annotation) is typing.Annotated:
        yield from typing.get_args(annotation)[1:]
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for one in typing.get_args(annotation):
            yield from _annotations(one)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ", required"
    value = field.default
    if value is None or isinstance(value, BaseModel | tuple):
        return ""
    if isinstance(value, bool):
        return f", {'true' if value else 'false'} where left out"
    return f', "{value}" where left out' if isinstance(value, str) else f", {value} where left out"


def _tables(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _tables(inner)
