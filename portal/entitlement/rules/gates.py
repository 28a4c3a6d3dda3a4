"""What has to be there before work begins, by the entry table: what of it is missing, and what to do about it. Pure.

An emergency does not wait where the policy lets it go on at factory risk; work that costs its payer nothing waits for
no money, but for the system and the checklist all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.contracts.entry import Gate
from portal.contracts.policy import Policy
from portal.entitlement.rules.decision import CoverageDecision

# What the gates of money wait for is there only where money can be asked for.
_OF_MONEY = frozenset({Gate.PREPAYMENT, Gate.PURCHASE_ORDER, Gate.AUTHORIZATION})

_TO_DO = {
    Gate.SYSTEM: "the system is named: open the case again with its serial number",
    Gate.CHECKLIST: "the checklist is complete: answer what is missing on the case page",
    Gate.PREPAYMENT: "it is paid in advance: the {payer}'s buyer buys hours or cases for the site",
    Gate.PURCHASE_ORDER: "the {payer} has a purchase order with enough left that has not expired: its buyer enters it "
    "under Purchase orders, or the factory's finance enters it with the {payer}'s document",
    Gate.AUTHORIZATION: "the {payer} has said yes: ask for it on the case page, or write down a spoken yes there",
}


@dataclass(frozen=True)
class Present:
    """What is there of what work may have to wait for."""

    system: bool = True
    checklist: bool = True
    prepayment: bool = False
    purchase_order: bool = False
    authorization: bool = False

    def has(self, gate: Gate) -> bool:
        """Whether what a gate waits for is there."""
        return bool(getattr(self, gate.value))


def may_wait_for(policy: Policy, decision: CoverageDecision, *, severity: int) -> tuple[Gate, ...]:
    """The gates that hold work on a case of this severity; none for an emergency that goes on at factory risk."""
    required = decision.entry.requires if decision.entry is not None else ()
    if severity in policy.emergency.severities and policy.emergency.at_factory_risk:
        return ()
    # An incident bought makes the case free, but only once it is this case's own.
    held = {Gate.PREPAYMENT} if decision.takes_incident else set()
    return tuple(gate for gate in required if decision.can_cost or gate not in _OF_MONEY or gate in held)


@dataclass(frozen=True)
class Prepaid:
    """What of the site's packs pays for a case in advance: hours that it can use, and what is its own already.

    ``holds`` is whether hours or an incident are promised to the case, ``has_used`` whether its bills have used some.
    """

    hours_seconds: int = 0
    holds: bool = False
    has_used: bool = False

    @property
    def is_there(self) -> bool:
        """Whether the case is paid in advance; an incident that is promised to nobody yet may go to another case."""
        return self.hours_seconds > 0 or self.holds or self.has_used

    @property
    def wants_incident(self) -> bool:
        """Whether an incident has to be promised to the case before it is worked on."""
        return self.hours_seconds == 0 and not self.has_used


def missing_gates(waits_for: tuple[Gate, ...], present: Present) -> tuple[Gate, ...]:
    """What is not there of it, in the document's order."""
    return tuple(gate for gate in waits_for if not present.has(gate))


def gate_sentence(missing: tuple[Gate, ...], payer: str) -> str:
    """What work waits for, and what to do; nothing where nothing is missing."""
    if not missing:
        return ""
    return f"Work begins when {'; and when '.join(_TO_DO[gate].format(payer=payer) for gate in missing)}."
