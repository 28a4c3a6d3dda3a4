"""The examples of published policies: read, asked of the quote, compared, counted."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from portal.contracts.agreement import Agreement, parse_agreement
from portal.contracts.copying import with_holidays
from portal.contracts.policy import Policy, parse_policy
from portal.errors import PortalError
from portal.quoting.case_input import case_from_values
from portal.quoting.quote import quote

POLICIES = Path(__file__).parents[1] / "policies"
KINDS = ("bill", "rma", "deadline", "fee", "balance", "coverage", "entitlement", "calendar", "lifecycle", "split")


@dataclass(frozen=True)
class Example:
    """One worked example: a case, and values that must stand in its quote by their dotted places."""

    policy: str
    id: str
    kind: str
    document: str
    agreement: str | None
    case: dict[str, Any]
    expect: dict[str, Any]
    out_of_scope: str | None

    @property
    def name(self) -> str:
        return f"{self.policy}/{self.id}"


def examples() -> Iterator[Example]:
    """Every example of every policy, by policy."""
    for file in sorted(POLICIES.glob("*.examples.toml")):
        policy = file.name.split(".")[0]
        for row in tomllib.loads(file.read_text(encoding="utf-8"))["examples"]:
            yield Example(
                policy,
                str(row["id"]),
                row["kind"],
                row.get("document", f"{policy}.toml"),
                row.get("agreement"),
                row.get("case", {}),
                row.get("expect", {}),
                row.get("out_of_scope"),
            )


@cache
def policy_of(document: str) -> Policy:
    """The document as it is signed: with the public holidays its rules name."""
    return with_holidays(parse_policy((POLICIES / document).read_text(encoding="utf-8")))


@cache
def agreement_of(document: str) -> Agreement:
    return parse_agreement((POLICIES / document).read_text(encoding="utf-8"))


def differences_of(example: Example) -> list[str]:
    """What does not come out as expected; empty where all does."""
    agreement = agreement_of(example.agreement) if example.agreement else None
    try:
        answer = quote(policy_of(example.document), agreement, case_from_values(example.case))
    except PortalError as error:
        return [f"refused: {error.sentence} {getattr(error, 'problems', '')}"]
    answer = json.loads(json.dumps(answer))
    # TOML knows no nothing: "none" stands for it.
    met = {place: "none" if (value := at(answer, place)) is None else value for place in example.expect}
    found = ((place, wanted, met[place]) for place, wanted in example.expect.items())
    wrong = [f"{place}: {value!r} instead of {wanted!r}" for place, wanted, value in found if value != wanted]
    return wrong or ([] if example.expect else ["nothing is expected"])


def at(answer: Any, place: str) -> Any:
    """The value at a dotted place; numbers count from 0, "key=value" finds the row of a list."""
    for step in place.split("."):
        if isinstance(answer, list) and "=" in step:
            key, _, wanted = step.partition("=")
            answer = next((row for row in answer if str(row.get(key)) == wanted), None)
        elif isinstance(answer, list):
            answer = answer[int(step)] if int(step) < len(answer) else None
        else:
            answer = answer.get(step) if isinstance(answer, dict) else None
    return answer


def table() -> tuple[dict[str, Counter[str]], list[str]]:
    """Per kind how many passed, failed, and are out of scope; and the sentences for those that did not pass."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    said = []
    for example in examples():
        if example.out_of_scope:
            counts[example.kind]["out of scope"] += 1
            said.append(f"{example.name} ({example.kind}) out of scope: {example.out_of_scope}")
        elif wrong := differences_of(example):
            counts[example.kind]["failed"] += 1
            said.append(f"{example.name} ({example.kind}) failed: {'; '.join(wrong)}")
        else:
            counts[example.kind]["passed"] += 1
    return counts, said
