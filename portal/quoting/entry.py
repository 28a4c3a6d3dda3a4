"""Whether whoever asks is let in, and what has to be there first."""

from __future__ import annotations

from typing import Any

from portal.contracts.agreement import Agreement
from portal.contracts.policy import Policy
from portal.contracts.rules import plan_named
from portal.entitlement.rules.entry import Asking, entry_for
from portal.quoting.case_input import CaseInput
from portal.quoting.deadlines import local_instant, places_of
from portal.zones import zone_named


def entry(policy: Policy, agreement: Agreement | None, case: CaseInput) -> dict[str, Any]:
    """accept, wait, refer or refuse, with the sentence, to whom, until when, and what is required."""
    asking = Asking(
        case.opener,
        case.severity,
        case.certified,
        case.customer_class,
        case.channel,
        case.level,
        case.task_class,
        case.identified,
        places_of(case),
    )
    found = entry_for(policy, plan_named(policy, case.plan), asking, local_instant(policy, case, case.opened_at))
    zone = zone_named(case.places.site or policy.zone)
    return {
        "decision": found.decision.value,
        "sentence": found.sentence,
        "refer_to": found.refer_to,
        "opens_at": found.opens_at.astimezone(zone).isoformat() if found.opens_at else None,
        "requires": [gate.value for gate in found.requires],
    }
