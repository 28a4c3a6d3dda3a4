"""A letter's words into a mail's text and HTML, by one layout each; everything said by people is escaped."""

from __future__ import annotations

from dataclasses import dataclass, field

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from portal.config import TEMPLATES


@dataclass(frozen=True)
class Fact:
    """One labelled line, such as "Due" and "10 March 2026, 14:35 (Europe/Berlin)"."""

    label: str
    value: str


@dataclass(frozen=True)
class Letter:
    """What a mail says: subject, opening sentences, facts, one thing to do, and a closing line.

    *Shape*: ``button`` is (label, address); ``aside`` stands small below it.
    """

    subject: str
    sentences: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    quote: str = ""
    button: tuple[str, str] | None = None
    aside: str = ""
    greeting: str = ""


@dataclass(frozen=True)
class Rendered:
    """A letter as text and as HTML."""

    text: str
    html: str


@dataclass(frozen=True)
class _Layouts:
    html: Environment = field(
        default_factory=lambda: Environment(
            loader=FileSystemLoader(TEMPLATES / "emails"), autoescape=True, undefined=StrictUndefined
        )
    )
    text: Environment = field(
        # Plain text has nothing to escape.
        default_factory=lambda: Environment(
            loader=FileSystemLoader(TEMPLATES / "emails"),
            autoescape=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
    )


_layouts = _Layouts()


def rendered(letter: Letter) -> Rendered:
    """The letter in both forms."""
    return Rendered(
        text=_layouts.text.get_template("letter.txt").render(letter=letter),
        html=_layouts.html.get_template("letter.html").render(letter=letter),
    )
