"""Follows every amount of every page to what made it, and every other link to a page that opens.

An amount is followed when it stands in a link: to another page that opens for the same person, or to a part of its own
page that is there. Headings name what their page is about, nothing made a zero, and words that people typed are theirs.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

AMOUNT = re.compile(r"-?[$€£¥]\s?\d+(?:,\d{3})*(?:\.\d+)?")
_UNREAD = frozenset({"script", "style", "title", "option", "textarea", "h1", "h2", "h3", "button", "label", "caption"})
_EMPTY = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
# What was sent to others leads where they may go.
_OF_OTHERS = "/kept-mail"
# The class of words that people wrote.
_TYPED = "said"


@dataclass(frozen=True)
class Shown:
    """An amount on a page, and where it leads; nowhere is empty."""

    text: str
    href: str
    within: str

    @property
    def is_zero(self) -> bool:
        return not re.search(r"[1-9]", self.text)


@dataclass
class Page:
    """What a page shows: its amounts, its links, and the ids a link can name."""

    amounts: list[Shown] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.page.ids.add(str(given["id"]))
        if tag == "a" and given.get("href"):
            self.page.links.append(str(given["href"]))
        if tag not in _EMPTY:
            self.open.append((tag, given))

    def handle_endtag(self, tag: str) -> None:
        names = [name for name, _ in self.open]
        if tag in names:
            del self.open[len(names) - 1 - names[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if any(tag in _UNREAD or _TYPED in str(given.get("class")).split() for tag, given in self.open):
            return
        href = next((str(given["href"]) for tag, given in reversed(self.open) if tag == "a" and given.get("href")), "")
        for found in AMOUNT.finditer(data):
            self.page.amounts.append(Shown(found.group(), href, " ".join(data.split())[:60]))


def read(html: str) -> Page:
    """The amounts, links and ids of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.page


@dataclass
class Walk:
    """What one person met: pages by address, amounts followed, and those that lead nowhere."""

    pages: dict[str, Page] = field(default_factory=dict)
    followed: int = 0
    lost: list[str] = field(default_factory=list)


def walk(get: Callable[[str], tuple[int, str]], start: str = "/", *, most_alike: int, most: int = 5_000) -> Walk:
    """Open every page that can be reached, and every address an amount leads to.

    ``get`` answers an address with status and HTML, empty where it is another kind of file. Of pages that differ only
    in their numbers at most ``most_alike`` are read; addresses of amounts on those are opened all the same.
    """
    found = Walk()
    statuses: dict[str, int] = {}
    alike: Counter[str] = Counter()
    waiting = deque([start])
    while waiting and len(statuses) < most:
        address = waiting.popleft()
        if address in statuses:
            continue
        kind = re.sub(r"\d+|[0-9a-f-]{36}", "N", urlsplit(address).path)
        alike[kind] += 1
        statuses[address], html = get(address)
        found.pages[address] = read(html)
        if alike[kind] <= most_alike:
            waiting.extend(_onward(address, [one.href for one in found.pages[address].amounts if one.href]))
            waiting.extend(
                onward
                for onward in _onward(address, found.pages[address].links)
                if alike[re.sub(r"\d+|[0-9a-f-]{36}", "N", urlsplit(onward).path)] < most_alike
            )
    for address, page in found.pages.items():
        found.lost.extend(_lost_on(address, page, found.pages, statuses))
        found.followed += sum(1 for one in page.amounts if one.href)
    return found


def _onward(address: str, hrefs: list[str]) -> Iterator[str]:
    for href in hrefs:
        target = urldefrag(urljoin(address, href)).url
        if target.startswith("/"):
            yield target


def _lost_on(address: str, page: Page, pages: dict[str, Page], statuses: dict[str, int]) -> Iterator[str]:
    if not address.startswith(_OF_OTHERS):
        for target in dict.fromkeys(_onward(address, page.links)):
            if statuses.get(target, 200) >= 400:
                yield f"{address}: a link leads to {target}, which answers {statuses[target]}"
    for one in page.amounts:
        if not one.href:
            if not one.is_zero:
                yield f"{address}: {one.text} leads nowhere ({one.within})"
            continue
        target, part = urldefrag(urljoin(address, one.href))
        if target in statuses and statuses[target] >= 400:
            yield f"{address}: {one.text} leads to {target}, which answers {statuses[target]}"
        elif part and target in pages and part not in pages[target].ids:
            yield f"{address}: {one.text} leads to {one.href}, where there is no such part"
