"""The quote: every part's answer about one case, as plain values that JSON can carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from portal.contracts.agreement import Agreement, agreement_against_policy
from portal.contracts.policy import Policy
from portal.errors import DocumentInvalid
from portal.quoting.bill import bill
from portal.quoting.case_input import CaseInput
from portal.quoting.coverage import coverage
from portal.quoting.deadlines import deadlines, notes
from portal.quoting.dues import dues, shares
from portal.quoting.entry import entry
from portal.quoting.hours import hours
from portal.quoting.lifecycle import lifecycle
from portal.quoting.warranty import warranty

Part = Callable[[Policy, Agreement | None, CaseInput], Any]

PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "entry": entry,
        "coverage": coverage,
        "warranty": warranty,
        "deadlines": deadlines,
        "hours": hours,
        "lifecycle": lifecycle,
        "bill": bill,
        "dues": dues,
        "shares": shares,
        "notes": notes,
    }
)


def quote(policy: Policy, agreement: Agreement | None, case: CaseInput) -> dict[str, Any]:
    """What the documents say about the case, part by part.

    *Raises*: DocumentInvalid when the agreement does not fit the policy, RuleBroken for facts unknown to the documents.
    """
    if agreement is not None and (problems := agreement_against_policy(agreement, policy)):
        raise DocumentInvalid(problems)
    return {
        "policy": policy.title,
        "case": case.title,
        **{name: of(policy, agreement, case) for name, of in PARTS.items()},
    }
