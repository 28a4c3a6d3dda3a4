"""Coverage and price as sentences and amounts for one reader; pure but for the names it is given.

A customer reads what the customer pays; what another company pays is said without its price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from portal.access import Actor, Side
from portal.contracts.blocks import Company, Payer
from portal.contracts.entry import Gate
from portal.entitlement.actions import Coverage
from portal.entitlement.rules import CoverageDecision
from portal.money import Money, round_half_up
from portal.web.display import duration

# What has to be there before work begins, as a list says it.
GATE_WORDS = {
    Gate.SYSTEM: "The system's serial number",
    Gate.CHECKLIST: "The complete checklist",
    Gate.PREPAYMENT: "Payment in advance",
    Gate.PURCHASE_ORDER: "A purchase order",
    Gate.AUTHORIZATION: "The payer's yes",
}


@dataclass(frozen=True)
class Stretch:
    """One stretch of open time that counts towards the deadline."""

    start: datetime
    end: datetime
    counted: str


@dataclass(frozen=True)
class Price:
    """What it costs and from when; every amount is the payer's."""

    from_minute: int
    per_hour: Money
    band: str
    other_bands: tuple[tuple[str, Money], ...]
    least: Money
    rounding: str


@dataclass(frozen=True)
class CoverageView:
    """A decision as a page prints it; ``price`` is None where it costs this reader's side nothing to know of."""

    plan: str
    policy_version_id: int
    headline: str
    tone: str
    payer: str
    price: Price | None
    hours_left: str
    respond_by: datetime | None
    promise: str
    stretches: tuple[Stretch, ...]
    starts_with: str
    reasons: tuple[str, ...]
    gates: tuple[str, ...]
    served_from: datetime | None
    needs_yes: bool
    authorized: Money | None
    suggestion: Money
    emergency: str


def coverage_view(coverage: Coverage, actor: Actor, names: Mapping[int, str]) -> CoverageView:
    """What ``actor`` reads of a decision; ``names`` are those of the three companies."""
    decision = coverage.decision
    price = _price(decision) if _may_read_price(decision, actor) else None
    headline, tone = _headline(decision, price)
    response = decision.response
    return CoverageView(
        plan=decision.plan_name,
        policy_version_id=coverage.terms.policy_version_id,
        headline=headline,
        tone=tone,
        payer=_payer_name(coverage, names),
        price=price,
        hours_left=_hours_left(decision),
        respond_by=response.due_at if response else None,
        promise=f"{duration(response.target_seconds)}, counted {response.calendar_label}" if response else "",
        stretches=tuple(Stretch(step.start, step.end, duration(step.seconds)) for step in response.steps)
        if response
        else (),
        starts_with=_starts_with(coverage, actor, names),
        reasons=tuple(reason.sentence for reason in decision.reasons),
        gates=tuple(GATE_WORDS[gate] for gate in decision.entry.requires) if decision.entry else (),
        served_from=decision.entry.opens_at if decision.entry else None,
        needs_yes=decision.authorization_needed and price is not None,
        authorized=Money(decision.authorized_minor, decision.currency) if decision.authorized_minor else None,
        suggestion=Money(decision.nte_suggestion_minor, decision.currency),
        emergency=_emergency(decision),
    )


def shown_key(decision: CoverageDecision) -> str:
    """What of a decision a person agrees to by sending: when it differs, the page is shown again before the act."""
    price = decision.price_now
    free = "never" if decision.free_seconds is None else "at once" if decision.free_seconds == 0 else "later"
    parts = (decision.plan_code, decision.payer.value, decision.band, price.rate_num, price.rate_den)
    return "/".join(str(part) for part in (*parts, decision.least_minor, free, decision.authorization_needed))


def _may_read_price(decision: CoverageDecision, actor: Actor) -> bool:
    if not decision.can_cost:
        return False
    return actor.side is not Side.CUSTOMER or decision.payer is Payer.CUSTOMER


def _price(decision: CoverageDecision) -> Price:
    def per_hour(rate: object) -> Money:
        return Money(round_half_up(rate), decision.currency)  # type: ignore[arg-type]

    now = decision.price_now
    minimum = f", at least {decision.minimum_minutes} min" if decision.minimum_minutes else ""
    return Price(
        from_minute=decision.costs_from_minute or 1,
        per_hour=per_hour(now.per_hour),
        band=now.label,
        other_bands=tuple((each.label, per_hour(each.per_hour)) for each in decision.prices if each.band != now.band),
        least=Money(decision.least_minor, decision.currency),
        rounding=f"in steps of {decision.increment_minutes} min{minimum}",
    )


def _headline(decision: CoverageDecision, price: Price | None) -> tuple[str, str]:
    if not decision.can_cost:
        return "Costs nothing", "good"
    if price is None:
        return "Costs you nothing", "good"
    if price.from_minute > 1:
        return f"The first {duration(decision.free_seconds)} cost nothing", "good"
    return "Costs money from the first minute", "warn"


def _payer_name(coverage: Coverage, names: Mapping[int, str]) -> str:
    place = coverage.place
    payers = {
        Payer.CUSTOMER: place.system.customer_id,
        Payer.INTEGRATOR: place.integrator_id,
        Payer.MANUFACTURER: place.system.manufacturer_id,
    }
    return names.get(payers[coverage.decision.payer], coverage.decision.payer.value.capitalize())


def _hours_left(decision: CoverageDecision) -> str:
    return duration(decision.included_seconds_left) if decision.included_seconds_left else "none"


def _starts_with(coverage: Coverage, actor: Actor, names: Mapping[int, str]) -> str:
    """Where a customer's own case begins; the other two sides know."""
    if actor.side is not Side.CUSTOMER:
        return ""
    place = coverage.place
    integrator = coverage.decision.starts_with is Company.INTEGRATOR
    company_id = place.integrator_id if integrator else place.system.manufacturer_id
    return names.get(company_id, coverage.decision.starts_with.value)


def _emergency(decision: CoverageDecision) -> str:
    path = decision.emergency
    if path is None or not decision.can_cost or not path.at_factory_risk:
        return ""
    return (
        f"If nobody answers within {duration(path.wait_seconds)}, work goes on at the factory's risk: it is billed "
        f"only if the payer ratifies it within {path.ratification_days} business days."
    )
