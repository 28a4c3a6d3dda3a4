"""One tree of errors; each carries a sentence the person at the screen may read.

Domain code raises a family member and knows no status codes; the web edge maps families to answers in one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class PortalError(Exception):
    """Base of everything the portal raises on purpose.

    *Shape*: ``sentence`` is safe to show; it names no other company's facts.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotFound(PortalError):
    """The thing does not exist, or the actor may not know that it does: both read the same."""

    def __init__(self, sentence: str = "There is nothing here, or it is not yours to see.") -> None:
        super().__init__(sentence)


class NotAllowed(PortalError):
    """The actor sees the thing but may not do this to it."""


class Conflict(PortalError):
    """The world moved on: a stale form, a second click, a state that no longer takes this step."""


@dataclass(frozen=True)
class Happening:
    """One thing that happened since the form was shown: ``who`` did ``what`` at ``at`` (ISO 8601, UTC)."""

    who: str
    what: str
    at: str


class Stale(Conflict):
    """The form was made from an older state of the case; ``since`` lists what happened meanwhile."""

    def __init__(self, sentence: str, since: Sequence[Happening] = ()) -> None:
        super().__init__(sentence)
        self.since = tuple(since)


class TooOften(PortalError):
    """The same was tried too often in a short time; ``retry_seconds`` says when it may be tried again."""

    def __init__(self, sentence: str, retry_seconds: int) -> None:
        super().__init__(sentence)
        self.retry_seconds = retry_seconds


class RuleBroken(PortalError):
    """A rule of the product, of a signed document or of the ledger refuses this."""


class Invalid(RuleBroken):
    """Input that cannot be taken as it is; ``fields`` gives the sentence for each field."""

    def __init__(self, sentence: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.fields = dict(fields or {})


@dataclass(frozen=True)
class Problem:
    """What is wrong at one place of a document; ``line`` is None where the document has no lines."""

    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line is not None else ""
        where = ", ".join(part for part in (place, self.key) if part)
        return f"{where}: {self.message}" if where else self.message


class DocumentInvalid(Invalid):
    """A policy or agreement that cannot be taken as it is; ``problems`` says everything that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        noun = "one problem" if count == 1 else f"{count} problems"
        super().__init__(f"The document has {noun}.", {"text": "\n".join(str(each) for each in problems)})
        self.problems = tuple(problems)


class CurrencyMismatch(RuleBroken):
    """Two currencies met in one sum."""


class PeriodClosed(RuleBroken):
    """A posting aimed at a period that takes no more postings."""


class NotAuthorized(RuleBroken):
    """Billable work without the payer's yes."""


class ProviderTrouble(PortalError):
    """Stripe, the mail server or the identity provider failed or has not answered; what was asked for waits."""


class Misconfigured(PortalError):
    """The deployment's settings cannot work; the sentence names every bad key."""
