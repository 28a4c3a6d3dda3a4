"""Filters, as RFC 7644, 3.4.2.2 writes them: read into a predicate of a resource. Names and texts ignore case.

accepts = read_filter('userName eq "ann" and emails[type eq "work" and value co "@example.com"]')
accepts(resource)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.identity.scim.rules.errors import ScimRefused

Predicate = Callable[[Any], bool]

LONGEST_FILTER = 2_000
DEEPEST = 20
_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>[()\[\]])|(?P<word>[A-Za-z$][\w$:./-]*)|(?P<number>-?\d+(?:\.\d+)?))'
)
_COMPARISONS = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})
CASE_EXACT = frozenset({"id", "externalid"})


@dataclass(frozen=True)
class Equals:
    """A filter that is one comparison by ``eq`` of a simple attribute: what an index can answer."""

    name: str
    value: str


def read_filter(written: str) -> Predicate:
    """The predicate that a filter means.

    *Raises*: ScimRefused, ``invalidFilter``.
    """
    reader = _Reader(written)
    predicate = reader.either(0)
    reader.must_end()
    return predicate


def simple_equals(written: str) -> Equals | None:
    """The comparison, where the filter is nothing but ``attribute eq "text"``."""
    found = re.fullmatch(r'\s*([A-Za-z]+)\s+eq\s+("(?:[^"\\]|\\.)*")\s*', written, re.IGNORECASE)
    if found is None:
        return None
    try:
        value = json.loads(found.group(2))
    except ValueError:
        return None
    return Equals(found.group(1).lower(), value)


def values_at(resource: Any, path: str) -> list[Any]:
    """Everything at an attribute's path, through objects and lists of them; names ignore case."""
    found = [resource]
    for part in steps_of(path):
        found = [value for each in found for value in _children(each, part)]
    return [item for each in found for item in (each if isinstance(each, list) else [each]) if item is not None]


def steps_of(path: str) -> list[str]:
    """The names that lead to an attribute."""
    # A schema's name ends at the last colon; what follows is the path within it.
    bare = path.rpartition(":")[2] if path.lower().startswith("urn:") else path
    return bare.split(".")


def _children(value: Any, name: str) -> list[Any]:
    if isinstance(value, list):
        return [child for item in value for child in _children(item, name)]
    if isinstance(value, Mapping):
        return [child for key, child in value.items() if key.lower() == name.lower()]
    return []


class _Reader:
    def __init__(self, written: str) -> None:
        if len(written) > LONGEST_FILTER:
            raise ScimRefused("The filter is too long.", "invalidFilter")
        self._tokens = _tokens(written)
        self._at = 0

    def either(self, depth: int) -> Predicate:
        parts = [self._all(depth)]
        while self._takes_word("or"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else lambda value: any(part(value) for part in parts)

    def must_end(self) -> None:
        if self._at != len(self._tokens):
            raise _unreadable()

    def _all(self, depth: int) -> Predicate:
        parts = [self._one(depth)]
        while self._takes_word("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda value: all(part(value) for part in parts)

    def _one(self, depth: int) -> Predicate:
        if depth > DEEPEST:
            raise ScimRefused("The filter is nested too deeply.", "invalidFilter")
        if self._takes_word("not"):
            self._must("(")
            inner = self.either(depth + 1)
            self._must(")")
            return lambda value: not inner(value)
        if self._takes("("):
            inner = self.either(depth + 1)
            self._must(")")
            return inner
        return self._comparison(depth)

    def _comparison(self, depth: int) -> Predicate:
        kind, path = self._next()
        if kind != "word":
            raise _unreadable()
        if self._takes("["):
            inner = self.either(depth + 1)
            self._must("]")
            return lambda value: any(inner(item) for item in values_at(value, path))
        kind, operator = self._next()
        operator = operator.lower()
        if kind == "word" and operator == "pr":
            return lambda value: any(item not in ("", {}, []) for item in values_at(value, path))
        if kind != "word" or operator not in _COMPARISONS:
            raise _unreadable()
        return _compared(path, operator, self._value())

    def _value(self) -> Any:
        kind, written = self._next()
        if kind == "word" and written.lower() not in ("true", "false", "null"):
            raise _unreadable()
        try:
            return json.loads(written.lower() if kind == "word" else written)
        except ValueError:
            raise _unreadable() from None

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise _unreadable()
        self._at += 1
        return self._tokens[self._at - 1]

    def _takes(self, mark: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("mark", mark):
            self._at += 1
            return True
        return False

    def _takes_word(self, word: str) -> bool:
        if self._at < len(self._tokens):
            kind, written = self._tokens[self._at]
            if kind == "word" and written.lower() == word:
                self._at += 1
                return True
        return False

    def _must(self, mark: str) -> None:
        if not self._takes(mark):
            raise _unreadable()


def _tokens(written: str) -> Sequence[tuple[str, str]]:
    found, at = [], 0
    while written[at:].strip():
        match = _TOKEN.match(written, at)
        if match is None or match.lastgroup is None:
            raise _unreadable()
        found.append((match.lastgroup, match.group(match.lastgroup)))
        at = match.end()
    return found


def _compared(path: str, operator: str, wanted: Any) -> Predicate:
    exact = path.rsplit(".", maxsplit=1)[-1].lower() in CASE_EXACT

    def folded(value: Any) -> Any:
        return value if exact or not isinstance(value, str) else value.casefold()

    def accepts(resource: Any) -> bool:
        given = [_plain(value) for value in values_at(resource, path)]
        if operator == "ne":
            return all(folded(value) != folded(wanted) for value in given)
        if wanted is None:
            return operator == "eq" and not given
        return any(_holds(operator, folded(value), folded(wanted)) for value in given)

    return accepts


def _plain(value: Any) -> Any:
    """A complex value stands for its ``value``."""
    return value.get("value") if isinstance(value, Mapping) else value


def _holds(operator: str, value: Any, wanted: Any) -> bool:
    if operator == "eq":
        return bool(value == wanted)
    if isinstance(value, bool) or type(value) is not type(wanted):
        return False
    if isinstance(value, str) and operator in ("co", "sw", "ew"):
        return {"co": wanted in value, "sw": value.startswith(wanted), "ew": value.endswith(wanted)}[operator]
    if operator in ("co", "sw", "ew"):
        return False
    return bool({"gt": value > wanted, "ge": value >= wanted, "lt": value < wanted, "le": value <= wanted}[operator])


def _unreadable() -> ScimRefused:
    return ScimRefused("The filter cannot be read.", "invalidFilter")
