"""Ready documents to begin from: ten typical policies, each with an agreement and cases worked out by the quote.

The texts stand beside the document language, in ``contracts/library``; what a case comes to is never written there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from portal.contracts.agreement import Agreement, parse_agreement
from portal.contracts.copying import with_holidays
from portal.contracts.policy import Policy, parse_policy
from portal.errors import NotFound
from portal.quoting.case_input import case_from_values
from portal.quoting.quote import quote

FOLDER = Path(__file__).resolve().parents[1] / "contracts" / "library"
_ENDING = ".policy.toml"

NAMES = tuple(sorted(file.name.removesuffix(_ENDING) for file in FOLDER.glob(f"*{_ENDING}")))


@dataclass(frozen=True)
class Ready:
    """A ready policy with its agreement: as written, as values, and what they are about."""

    name: str
    about: str
    policy_toml: str
    agreement_toml: str
    policy: Policy
    agreement: Agreement
    cases: tuple[Mapping[str, Any], ...]

    @property
    def title(self) -> str:
        """What people read."""
        return self.policy.title

    def text(self, kind: str, codes: Mapping[str, str]) -> str:
        """The policy or the agreement as written, the companies' codes put in."""
        text = self.policy_toml if kind == "policy" else self.agreement_toml
        for placeholder, code in codes.items():
            text = text.replace(f'"{placeholder}"', f'"{code}"')
        return text


def ready(name: str) -> Ready:
    """The ready documents of that name. *Raises*: NotFound."""
    if name not in NAMES:
        raise NotFound
    return _read(name)


@cache
def _read(name: str) -> Ready:
    policy, agreement, examples = (
        (FOLDER / f"{name}.{part}.toml").read_text(encoding="utf-8") for part in ("policy", "agreement", "examples")
    )
    said = tomllib.loads(examples)
    return Ready(
        name,
        said["about"],
        policy,
        agreement,
        with_holidays(parse_policy(policy), policy),
        with_holidays(parse_agreement(agreement), agreement),
        tuple(said["cases"]),
    )


@cache
def worked_examples(name: str) -> tuple[dict[str, Any], ...]:
    """What each case of the ready documents comes to, as the quote says it. *Raises*: NotFound."""
    found = ready(name)
    return tuple(quote(found.policy, found.agreement, case_from_values(case)) for case in found.cases)
