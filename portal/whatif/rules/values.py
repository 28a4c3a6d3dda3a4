"""What one case comes to, and how it stands under the signed documents beside a draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class LineKey(NamedTuple):
    """What makes lines of many cases the same in a comparison."""

    kind: str
    mode: str
    task_class: str
    band: str


class Figure(NamedTuple):
    """Counted seconds and what they cost."""

    seconds: int = 0
    minor: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a case comes to under one set of documents.

    ``shares`` are by organisation, None for what is not decided yet; ``rounded_to_nothing`` are the organisations that
    a share was due to and whose part came to less than half a minor unit; ``use_minor`` is what included time earns.
    """

    by_payer: Mapping[int, int] = field(default_factory=dict)
    lines: Mapping[LineKey, Figure] = field(default_factory=dict)
    shares: Mapping[int | None, int] = field(default_factory=dict)
    use_minor: int = 0
    rounded_to_nothing: tuple[int, ...] = ()

    @property
    def amount_minor(self) -> int:
        """What all payers pay."""
        return sum(self.by_payer.values())


@dataclass(frozen=True)
class Compared:
    """One case both ways; ``plan`` is the site's when it was opened."""

    case_id: int
    name: str
    integrator_id: int
    customer_id: int
    plan: str
    signed: Outcome
    draft: Outcome

    @property
    def change_minor(self) -> int:
        """What the payers would pay more."""
        return self.draft.amount_minor - self.signed.amount_minor


@dataclass(frozen=True)
class Refused:
    """A case that the draft cannot bill, and the sentence that says why."""

    case_id: int
    name: str
    reason: str
