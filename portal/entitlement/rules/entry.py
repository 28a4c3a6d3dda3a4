"""Who is let in: the policy's entry table and the plan's openers, as a function of who asks, how, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.calendars import is_open, next_open
from portal.contracts.blocks import TaskClass
from portal.contracts.calendar_blocks import NOWHERE, Places
from portal.contracts.entry import EntryDecision, EntryRow, Gate, Opener
from portal.contracts.policy import Policy
from portal.contracts.rules import calendar_label, calendar_named
from portal.contracts.targets import Channel
from portal.contracts.terms import Plan
from portal.entitlement.rules.decision import EntryView

_GATES = {
    Gate.SYSTEM: "the system has to be named",
    Gate.CHECKLIST: "the checklist has to be complete",
    Gate.PREPAYMENT: "it is paid in advance",
    Gate.PURCHASE_ORDER: "a purchase order has to be there",
    Gate.AUTHORIZATION: "the payer has to say yes",
}


@dataclass(frozen=True)
class Asking:
    """Who asks, and how; an uncertified technician is a technician only."""

    opener: Opener
    severity: int
    certified: bool = False
    customer_class: str | None = None
    channel: Channel = Channel.PORTAL
    level: int | None = None
    task_class: TaskClass = TaskClass.SUPPORT
    identified: bool = True
    places: Places = NOWHERE


def entry_for(policy: Policy, plan: Plan, asking: Asking, now: datetime) -> EntryView:
    """What the first row of the entry table that fits decides; without one, what the plan says."""
    for row in policy.entry:
        if _fits(row, policy, plan, asking, now):
            return _entry(row, policy, plan, asking, now)
    if kinds_of(asking).isdisjoint(plan.may_open):
        return EntryView(decision=EntryDecision.REFUSE, sentence=f"{plan.name} does not let this person open a case.")
    return EntryView(decision=EntryDecision.ACCEPT, sentence=f"{plan.name} lets this person open a case.")


def kinds_of(asking: Asking) -> frozenset[Opener]:
    """Everything that somebody who asks is to the tables: a certified technician is a technician too."""
    if asking.opener in (Opener.TECHNICIAN, Opener.CERTIFIED_TECHNICIAN):
        certified = asking.certified or asking.opener is Opener.CERTIFIED_TECHNICIAN
        return frozenset({Opener.TECHNICIAN, Opener.CERTIFIED_TECHNICIAN} if certified else {Opener.TECHNICIAN})
    return frozenset({asking.opener})


def _fits(row: EntryRow, policy: Policy, plan: Plan, asking: Asking, now: datetime) -> bool:
    lists = (
        (row.plans, plan.code),
        (row.customer_classes, asking.customer_class),
        (row.channels, asking.channel),
        (row.levels, asking.level),
        (row.severities, asking.severity),
        (row.task_classes, asking.task_class),
    )
    if row.openers and kinds_of(asking).isdisjoint(row.openers):
        return False
    if row.identified not in (None, asking.identified) or any(given and value not in given for given, value in lists):
        return False
    return row.outside is None or not is_open(calendar_named(policy, row.outside, asking.places), now)


def _entry(row: EntryRow, policy: Policy, plan: Plan, asking: Asking, now: datetime) -> EntryView:
    opens_at = None
    if row.waits_for is not None:
        opens_at = next_open(calendar_named(policy, row.waits_for, asking.places), now)
    return EntryView(
        decision=row.decision,
        sentence=row.because or _sentence(row, policy, plan),
        refer_to=row.refer_to,
        opens_at=opens_at,
        requires=row.requires,
    )


def _sentence(row: EntryRow, policy: Policy, plan: Plan) -> str:
    """What is said where the document gives no words of its own."""
    if row.waits_for is not None:
        return f"{plan.name} is served in {calendar_label(policy, row.waits_for)}: the case waits until then."
    if row.decision is EntryDecision.REFER:
        return f"Ask {row.refer_to} for this."
    if row.decision is EntryDecision.REFUSE:
        return "The policy does not take such a case." + (f" Ask {row.refer_to}." if row.refer_to else "")
    if row.requires:
        return f"Before work begins, {' and '.join(_GATES[gate] for gate in row.requires)}."
    return f"{plan.name} lets this person open a case."
