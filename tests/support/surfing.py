"""A browser without a screen for tests: real HTTP to a running server, cookies, links, forms filled in by their names.

tom = Surfer(address)
tom.open("/escalate/3")
tom.press("See cover and price", {"title": "Doors stay locked"}, files=[("files", ("door.log", b"..."))])

A form is sent as a browser would send it: with its hidden fields and defaults, and nothing it does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

PATIENCE_SECONDS = 30
Typed = Mapping[str, str | list[str]]
File = tuple[str, tuple[str, bytes]]


@dataclass
class Button:
    """A submit button: what it says, and what it sends when pressed."""

    label: str = ""
    name: str = ""
    value: str = ""


@dataclass
class PageForm:
    """One form: where it goes, what it holds before anybody types, what can be typed, its buttons."""

    action: str
    method: str
    values: dict[str, list[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    choices: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[Button] = field(default_factory=list)


class _Reader(HTMLParser):
    """Collects forms, links and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self.links: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self._select = ""
        self._textarea = ""
        self._link: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(PageForm(given.get("action", ""), given.get("method", "get").lower()))
        elif tag == "a" and "href" in given:
            self._link = given["href"]
            self.links.append(("", given["href"]))
        elif tag == "script":
            self._open.append(tag)
        elif self.forms:
            self._field(tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = None
        elif tag in ("script", "button") and self._open and self._open[-1] == tag:
            self._open.pop()
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, text: str) -> None:
        if self._open[-1:] == ["script"]:
            return
        self.words.append(text)
        if self._link is not None:
            self.links[-1] = (self.links[-1][0] + text, self.links[-1][1])
        if self._open[-1:] == ["button"]:
            self.forms[-1].buttons[-1].label += text
        if self._textarea:
            self.forms[-1].values[self._textarea][0] += text

    def _field(self, tag: str, given: Mapping[str, str]) -> None:
        form, name = self.forms[-1], given.get("name", "")
        if tag == "button":
            self._open.append(tag)
            if given.get("type", "submit") == "submit":
                form.buttons.append(Button("", name, given.get("value", "")))
            else:
                form.buttons.append(Button("\0"))
        elif tag == "option":
            self._option(form, given)
        elif name and "disabled" not in given and tag in ("input", "select", "textarea"):
            form.names.add(name)
            if tag == "select":
                self._select = name
            elif tag == "textarea":
                self._textarea = name
                form.values[name] = [""]
            elif given.get("type") in ("radio", "checkbox"):
                form.choices.setdefault(name, []).append(given.get("value", "on"))
                if "checked" in given:
                    form.values.setdefault(name, []).append(given.get("value", "on"))
            elif given.get("type") != "file":
                form.values.setdefault(name, []).append(given.get("value", ""))

    def _option(self, form: PageForm, given: Mapping[str, str]) -> None:
        if self._select and ("selected" in given or self._select not in form.values):
            form.values[self._select] = [given.get("value", "")]


class Surfer:
    """One browser profile on the server at ``address``; the page it sees is ``text``, read without its markup."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.url = address
        self.status = 0
        self.html = ""
        self.text = ""
        self._http = requests.Session()
        self._page = _Reader()

    @property
    def path(self) -> str:
        """Where the browser is."""
        return urlsplit(self.url).path

    def open(self, target: str, *, expect: int = 200) -> Surfer:
        """Go to an address or a path."""
        return self._see(self._http.get(urljoin(self.url, target), timeout=PATIENCE_SECONDS), expect)

    def follow(self, words: str) -> Surfer:
        """Click the first link that says ``words``."""
        return self.open(self.link(words))

    def link(self, words: str) -> str:
        """Where the first link that says ``words`` leads."""
        for label, target in self._page.links:
            if words in " ".join(label.split()):
                return target
        raise AssertionError(f"no link says {words!r} on {self.url}: {[label for label, _ in self._page.links]}")

    def press(self, words: str, typed: Typed | None = None, *, files: Iterable[File] = (), expect: int = 200) -> Surfer:
        """Fill in the form that has the button saying ``words`` and press it."""
        form, button = self._button(words)
        unknown = set(typed or {}) - form.names
        assert not unknown, f"{self.url}: the form of {words!r} has no {sorted(unknown)}, but {sorted(form.names)}"
        fields = {**form.values, **{name: _listed(value) for name, value in (typed or {}).items()}}
        if button.name:
            fields[button.name] = [button.value]
        target = urljoin(self.url, form.action or self.url)
        if form.method == "get":
            return self._see(self._http.get(target, params=fields, timeout=PATIENCE_SECONDS), expect)
        answer = self._http.post(target, data=fields, files=list(files) or None, timeout=PATIENCE_SECONDS)
        return self._see(answer, expect)

    def choices(self, name: str) -> list[str]:
        """What can be ticked of a field, in order."""
        return [value for form in self._page.forms for value in form.choices.get(name, [])]

    def offers(self, words: str) -> bool:
        """Whether some button says ``words``."""
        return any(words in _said(button) for form in self._page.forms for button in form.buttons)

    def _button(self, words: str) -> tuple[PageForm, Button]:
        for form in self._page.forms:
            for button in form.buttons:
                if _said(button) == words:
                    return form, button
        said = [_said(button) for form in self._page.forms for button in form.buttons]
        raise AssertionError(f"no button says {words!r} on {self.url}, but {said}: {self.text[:600]}")

    def _see(self, answer: requests.Response, expect: int) -> Surfer:
        self.url, self.status, self.html = answer.url, answer.status_code, answer.text
        self._page = _Reader()
        self._page.feed(answer.text)
        self.text = re.sub(r"\s+", " ", " ".join(self._page.words)).strip()
        assert self.status == expect, f"{answer.request.method} {answer.url}: {self.status} {self.text[:1500]}"
        return self


def _said(button: Button) -> str:
    return " ".join(button.label.split())


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
