"""Where an agreement contradicts itself, or speaks words its policy does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from portal.contracts.calendar_checks import calendar_contradictions
from portal.contracts.checks import (
    ALWAYS_PARTIES,
    amount_contradictions,
    doubled,
    never_applying,
    party_order_contradictions,
    product_lines_of,
    resolution_contradictions,
    share_contradictions,
    spelling_contradictions,
    unknown,
    weight_contradictions,
)
from portal.contracts.conditions import CONDITIONS
from portal.contracts.reading import Contradiction
from portal.contracts.terms import ALWAYS_CALENDAR
from portal.contracts.work_checks import WORDS

if TYPE_CHECKING:
    from portal.contracts.agreement import Agreement
    from portal.contracts.policy import Policy

_BORNE_BY_A_PARTY = ("remedies_borne_by", "stripe_fees_borne_by", "chargeback_fees_borne_by", "goodwill_borne_by")
_BORNE_BY_SHARES_TOO = ("refunds_borne_by", "chargebacks_borne_by")
# Each party by its share, where an agreement names who bears something.
SHARES = "shares"
# Whoever sold the plan or pack.
SELLER = "seller"


def agreement_contradictions(agreement: Agreement) -> Iterator[Contradiction]:
    """Every contradiction of the agreement, table by table."""
    yield from amount_contradictions(agreement, agreement.currency)
    yield from calendar_contradictions(agreement.calendars)
    yield from _parties(agreement)
    known = _party_codes(agreement)
    yield from party_order_contradictions(("party_order",), agreement.party_order, known)
    yield from share_contradictions(("shares",), agreement.shares, known, ())
    yield from never_applying(("intercompany",), agreement.intercompany, CONDITIONS)
    for number, row in enumerate(agreement.intercompany):
        if row.plans:
            yield Contradiction(("intercompany", number, "plans"), "intercompany prices do not depend on the plan")
    yield from resolution_contradictions(("resolution",), agreement.resolution)
    yield from weight_contradictions(("fallback",), agreement.fallback)
    calendars = {ALWAYS_CALENDAR, *(each.code for each in agreement.calendars)}
    for side in ("integrator_calendar", "manufacturer_calendar"):
        yield from unknown(("confirmation", side), [getattr(agreement.confirmation, side)], calendars, "calendars")
    for key in _BORNE_BY_A_PARTY:
        yield from unknown(("settlement", key), [getattr(agreement.settlement, key)], known, "the parties")
    for key in _BORNE_BY_SHARES_TOO:
        yield from unknown(("settlement", key), [getattr(agreement.settlement, key)], {*known, SHARES}, "the parties")
    bearer, allowed = [agreement.selling.discounts_borne_by], {*known, SHARES, SELLER}
    yield from unknown(("selling", "discounts_borne_by"), bearer, allowed, "the parties")
    yield from _resale(agreement)
    yield from spelling_contradictions(agreement)


def _party_codes(agreement: Agreement) -> tuple[str, ...]:
    return (*ALWAYS_PARTIES, *(each.code for each in agreement.parties.further))


def _parties(agreement: Agreement) -> Iterator[Contradiction]:
    parties = agreement.parties
    if parties.manufacturer == parties.integrator:
        yield Contradiction(
            ("parties", "integrator"), "the two companies are the same organisation", ("parties", "manufacturer")
        )
    further = ("parties", "further")
    yield from doubled(further, [each.code for each in parties.further])
    for number, party in enumerate(parties.further):
        if party.code in ALWAYS_PARTIES:
            yield Contradiction((*further, number, "code"), f'"{party.code}" is a party already')


def _resale(agreement: Agreement) -> Iterator[Contradiction]:
    ceiling, recommended = agreement.resale.ceiling_bp, agreement.resale.recommended_bp
    if ceiling is not None and recommended is not None and recommended > ceiling:
        yield Contradiction(
            ("resale", "recommended_bp"), "the recommended price is above the ceiling", ("resale", "ceiling_bp")
        )


def _other_spellings(agreement: Agreement, policy: Policy) -> Iterator[Contradiction]:
    """Product lines that the policy writes in another way."""
    written = {line.casefold(): line for _, line in product_lines_of(policy)}
    for path, line in product_lines_of(agreement):
        if written.get(line.casefold(), line) != line:
            yield Contradiction(path, f'"{line}" is written "{written[line.casefold()]}" in the policy')


def policy_word_problems(agreement: Agreement, policy: Policy) -> Iterator[Contradiction]:
    """Words of the agreement that the policy does not define."""
    if agreement.currency != policy.currency:
        yield Contradiction(("currency",), f"the policy's currency is {policy.currency}")
    causes = [each.code for each in policy.causes]
    actions = [each.code for each in policy.corrective_actions]
    bands = [each.code for each in policy.bands]
    for number, row in enumerate(agreement.resolution):
        here = ("resolution", number)
        yield from unknown((*here, "causes"), row.causes, causes, "the policy's causes")
        yield from unknown((*here, "last_actions"), row.last_actions, actions, "the policy's corrective actions")
    for number, rate in enumerate(agreement.intercompany):
        yield from unknown(("intercompany", number, "bands"), rate.bands, bands, "the policy's bands")
        for key, words in WORDS:
            known = [each.code for each in getattr(policy, words)]
            yield from unknown(("intercompany", number, key), getattr(rate, key), known, f"the policy's {words}")
    for table in ("labour", "referrals", "materials"):
        for number, owed in enumerate(getattr(agreement.owing, table)):
            yield from unknown(("owing", table, number, "causes"), owed.causes, causes, "the policy's causes")
    yield from _other_spellings(agreement, policy)
