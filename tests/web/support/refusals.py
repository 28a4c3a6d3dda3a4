"""What a page that refuses a form owes who sent it: each link of its errors leads to a field, what was typed is kept.

``problems_of`` reads one answer; the guard in ``conftest`` asks it of every refused page of every test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

# What is never given back: secrets, tokens, and files that a browser does not send twice.
NOT_KEPT = frozenset({"password", "hidden", "file", "submit"})


@dataclass
class _Field:
    """The fields of one name on a page: how they are typed, what stands in them, what can be chosen."""

    kinds: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    choices: set[str] = field(default_factory=set)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fields: dict[str, _Field] = {}
        self._alert_depth = 0
        self._area: tuple[str, list[str]] | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.ids.add(said.get("id", ""))
        if tag == "div" and (self._alert_depth or said.get("role") == "alert"):
            self._alert_depth += 1
        if tag == "a" and self._alert_depth and said.get("href", "").startswith("#"):
            self.links.append(said["href"][1:])
        if tag == "input":
            self._input(said)
        elif tag == "textarea":
            self._area = said.get("name", ""), []
        elif tag == "select":
            self._select = said.get("name", "")
            self._known(self._select).kinds.add("select")
        elif tag == "option" and self._select:
            self._choice(self._known(self._select), said, chosen="selected" in said)

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._alert_depth:
            self._alert_depth -= 1
        elif tag == "select":
            self._select = ""
        elif tag == "textarea" and self._area is not None:
            name, text = self._area
            self._known(name).kinds.add("textarea")
            self._known(name).values.add("".join(text))
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area[1].append(data)

    def _input(self, said: Mapping[str, str]) -> None:
        known, kind = self._known(said.get("name", "")), said.get("type", "text")
        known.kinds.add(kind)
        if kind in ("radio", "checkbox"):
            self._choice(known, said, chosen="checked" in said)
        else:
            known.values.add(said.get("value", ""))

    def _choice(self, known: _Field, said: Mapping[str, str], *, chosen: bool) -> None:
        known.choices.add(said.get("value", ""))
        if chosen:
            known.values.add(said.get("value", ""))

    def _known(self, name: str) -> _Field:
        return self.fields.setdefault(name, _Field())


def problems_of(html: str, sent: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What is wrong with a refused page that lists errors; ``sent`` are the fields of the form, by name."""
    page = _Page()
    page.feed(html)
    if not page.links:
        return
    for link in page.links:
        if link not in page.ids:
            yield f"the error links to #{link}, which is not on the page"
    for name, typed in sent.items():
        known = page.fields.get(name)
        if known is None or known.kinds & NOT_KEPT:
            continue
        shown = {_tidy(value) for value in known.values}
        for value in map(_tidy, typed):
            if value and (not known.choices or value in known.choices) and value not in shown:
                yield f"what was typed into {name} is gone: {value[:60]!r}"


def _tidy(text: str) -> str:
    """Trimmed as fields trim what they take; a serial number comes back as it is written on the device."""
    return text.replace("\r\n", "\n").strip().casefold()
