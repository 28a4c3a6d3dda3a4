"""Who gets what of a bill item, by the signed tranches: exact, in party order, summing to the amount.

A part of one revenue kind is cut into tranches, each tranche goes to its recipients as an exact fraction, and only then
is the part divided into minor units, once, by largest remainder in party order. What depends on a resolution that is
not decided yet goes to the party "undetermined" and is divided among the resolvers later without touching the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from math import lcm
from typing import NamedTuple

from portal.contracts.agreement import Agreement
from portal.contracts.blocks import WHOLE_BP, ActsAs, Company, Payer, Recipient, Revenue, ShareRow, Tranche, Weights
from portal.contracts.discounts import discount_bearer, without_discount
from portal.contracts.policy import Policy
from portal.contracts.rules import rate_minor, share_row, split_terms
from portal.errors import RuleBroken
from portal.money import allocate, round_half_up

UNDETERMINED = "undetermined"
OPERATOR = "operator"
# Kept, because going through an enumeration looks every member up anew.
_COMPANIES = tuple(Company)


@dataclass(frozen=True)
class RevenuePart:
    """One revenue kind within a bill item and what of it is shared.

    ``discount_minor`` is what a promotion code took off it: it matters where the agreement says who bears that.
    """

    revenue: Revenue
    amount_minor: int
    discount_minor: int = 0


@dataclass(frozen=True)
class SharingFacts:
    """What sharing depends on beside the documents.

    ``worked`` are the billed seconds of each company's people, ``supplied`` what its parts cost; ``weights`` None while
    the resolution is challenged or not stated; ``seller`` the party that sold the plan or pack, the manufacturer where
    nobody else did; ``volumes`` are minor units by the number of closed months that they count.
    """

    parts: tuple[RevenuePart, ...]
    worked: tuple[tuple[Company, int], ...] = ()
    weights: Weights | None = None
    seller: str = Company.MANUFACTURER
    payer: Payer = Payer.CUSTOMER
    has_integrator: bool = True
    volumes: Mapping[int, int] = field(default_factory=dict)
    supplied: tuple[tuple[Company, int], ...] = ()


@dataclass(frozen=True)
class Share:
    """What one party gets of one revenue kind; ``weight_bp`` is its exact part rounded, for reading.

    ``acts_as`` is as what the kind is sold: it changes no amount, only how the books show it.
    """

    party: str
    revenue: Revenue
    amount_minor: int
    weight_bp: int
    explanation: tuple[str, ...]
    acts_as: ActsAs = ActsAs.AGENT


class _Claim(NamedTuple):
    party: str
    exact: Fraction
    sentence: str


def shares_of(policy: Policy, agreement: Agreement | None, facts: SharingFacts) -> tuple[Share, ...]:
    """The shares of a bill item, kind by kind in the order given, parties in the documents' order, undetermined last.

    *Shape*: the shares of a kind sum exactly to its part; a party without a claim has no row, a claim that rounds to
    nothing keeps its row of zero.
    *Raises*: RuleBroken for a part below zero; reversals are made from the shares that were posted.
    """
    order = (*split_terms(policy, agreement).party_order, UNDETERMINED)
    bearer = discount_bearer(agreement, facts.seller)
    shares: list[Share] = []
    for part in facts.parts:
        if part.amount_minor < 0:
            raise RuleBroken("Only an amount that was earned is shared; a reversal follows the shares it reverses.")
        if part.amount_minor == 0:
            continue
        if part.discount_minor and bearer is not None:
            whole = RevenuePart(part.revenue, part.amount_minor + part.discount_minor)
            found = shares_of(policy, agreement, replace(facts, parts=(whole,)))
            shares += _discounted(found, part.discount_minor, _present(bearer, facts), policy.currency)
            continue
        row = share_row(policy, agreement, part.revenue)
        tranches, reason = _slices(row, facts, policy.currency)
        claims = _claims(tranches, part.amount_minor, facts, policy.currency, reason)
        if facts.payer == Payer.INTEGRATOR:
            claims = [_without_own_share(claim) for claim in claims]
        shares += _divided(part, claims, order, acts_as=row.acts_as)
    return tuple(shares)


def _discounted(shares: Sequence[Share], discount_minor: int, bearer: str, currency: str) -> Iterable[Share]:
    """The shares of a price as they are where one party bears what was taken off it."""
    had = [(share.party, share.amount_minor) for share in shares]
    left = without_discount(had, discount_minor, bearer=bearer, currency=currency)
    for share, (minor, said) in zip(shares, left, strict=True):
        yield replace(share, amount_minor=minor, explanation=(*share.explanation, said))


def settle_undetermined(
    policy: Policy, agreement: Agreement | None, undetermined: Share, weights: Weights, *, has_integrator: bool = True
) -> tuple[Share, ...]:
    """The undetermined share divided among the resolvers once their weights are decided; sums to it exactly."""
    facts = SharingFacts((), weights=weights, has_integrator=has_integrator)
    tranche = Tranche(to=Recipient.RESOLVER, bp=undetermined.weight_bp)
    claims = _recipients(tranche, Fraction(undetermined.amount_minor), facts)
    part = RevenuePart(undetermined.revenue, undetermined.amount_minor)
    acts_as = share_row(policy, agreement, undetermined.revenue).acts_as
    return _divided(part, claims, split_terms(policy, agreement).party_order, acts_as=acts_as)


def average_weights(found: Sequence[Weights], fallback: Weights) -> Weights:
    """The weights of several cases, each counting once, half a basis point for the integrator; of none the fallback."""
    if not found:
        return fallback
    integrator_bp = round_half_up(Fraction(sum(each.integrator_bp for each in found), len(found)))
    return Weights(integrator_bp=integrator_bp, manufacturer_bp=WHOLE_BP - integrator_bp)


def months_counted(policy: Policy, agreement: Agreement | None) -> frozenset[int]:
    """How many closed months the documents count where they share by volume; empty where nothing depends on it."""
    rows = [share_row(policy, agreement, revenue) for revenue in Revenue]
    return frozenset(row.volume_months for row in rows if row.volumes)


def _slices(row: ShareRow, facts: SharingFacts, currency: str) -> tuple[Sequence[Tranche], str]:
    """The tranches that hold at the volume of the partnership, and why where they are not the row's own."""
    volume = facts.volumes.get(row.volume_months, 0)
    passed = [tier for tier in row.volumes if volume > rate_minor(tier.above, currency)]
    if not passed:
        return row.tranches, ""
    months = "month" if row.volume_months == 1 else f"{row.volume_months} months"
    return passed[-1].tranches, f", with more than {passed[-1].above} in the {months} before"


def _claims(
    tranches: Sequence[Tranche], amount_minor: int, facts: SharingFacts, currency: str, reason: str
) -> Iterable[_Claim]:
    """Every recipient's exact part, tranche by tranche.

    What a cap leaves goes to the next tranche; what a floor adds is taken from the last ones.
    """
    if not any(tranche.cap or tranche.floor for tranche in tranches):
        for tranche in tranches:
            yield from _recipients(tranche, Fraction(amount_minor * tranche.bp, WHOLE_BP), facts, reason)
        return
    left, left_over = Fraction(amount_minor), Fraction(0)
    for tranche in tranches:
        exact = Fraction(amount_minor * tranche.bp, WHOLE_BP) + left_over
        left_over = Fraction(0)
        if tranche.cap is not None and exact > rate_minor(tranche.cap, currency):
            left_over = exact - rate_minor(tranche.cap, currency)
            exact -= left_over
        if tranche.floor is not None:
            exact = max(exact, rate_minor(tranche.floor, currency))
        exact = min(exact, left)
        left -= exact
        yield from _recipients(tranche, exact, facts, reason)


def _recipients(tranche: Tranche, exact: Fraction, facts: SharingFacts, reason: str = "") -> list[_Claim]:
    """To whom one tranche goes."""
    least = f", {tranche.floor} at least" if tranche.floor else ""
    percent = f"{_percent(tranche.bp)}{' up to ' + tranche.cap if tranche.cap else ''}{least}{reason}"
    if tranche.to == Recipient.PARTY and tranche.party is not None:
        return [_Claim(_present(tranche.party, facts), exact, f"{percent} to the {tranche.party}")]
    if tranche.to == Recipient.SELLER:
        return [_Claim(_present(facts.seller, facts), exact, f"{percent} to the seller")]
    if tranche.to == Recipient.WORKED_TIME and (total := sum(seconds for _, seconds in facts.worked)):
        return [
            _Claim(
                _present(company, facts),
                Fraction(exact.numerator * seconds, exact.denominator * total),
                f"{percent} by worked time: {_minutes(seconds)} of {_minutes(total)} min",
            )
            for company, seconds in facts.worked
            if seconds
        ]
    if tranche.to == Recipient.SUPPLIER:
        supplied = facts.supplied or ((Company.MANUFACTURER, 1),)
        total = sum(minor for _, minor in supplied)
        return [
            _Claim(_present(company, facts), exact * minor / total, f"{percent} to who supplied the parts")
            for company, minor in supplied
            if minor
        ]
    # Resolvers; also worked time of a part without work, such as a month nobody called in.
    if not facts.has_integrator or facts.payer == Payer.INTEGRATOR:
        return [_Claim(Company.MANUFACTURER, exact, f"{percent} to the only resolver")]
    if facts.weights is None:
        return [_Claim(UNDETERMINED, exact, f"{percent} to who resolved it, not yet decided")]
    return [
        _Claim(
            company,
            Fraction(exact.numerator * weight, exact.denominator * WHOLE_BP),
            f"{percent} to who resolved it, weight {_percent(weight)}",
        )
        for company in _COMPANIES
        if (weight := facts.weights.of(company))
    ]


def _present(party: str, facts: SharingFacts) -> str:
    """Without an integrator its part is the manufacturer's, who did its work."""
    return Company.MANUFACTURER if party == Company.INTEGRATOR and not facts.has_integrator else party


def _without_own_share(claim: _Claim) -> _Claim:
    """An integrator that pays a net price gets nothing back of it: its part is the manufacturer's."""
    if claim.party == Company.INTEGRATOR:
        return _Claim(Company.MANUFACTURER, claim.exact, f"{claim.sentence} (the integrator pays net)")
    return claim


def _divided(
    part: RevenuePart, claims: Iterable[_Claim], order: Sequence[str], *, acts_as: ActsAs
) -> tuple[Share, ...]:
    """The part in minor units; the claims are brought to one denominator first, so that all else counts integers."""
    found = list(claims)
    scale = lcm(*(claim.exact.denominator for claim in found))
    exact: dict[str, int] = {}
    sentences: dict[str, list[str]] = {}
    for claim in found:
        scaled = claim.exact.numerator * (scale // claim.exact.denominator)
        exact[claim.party] = exact.get(claim.party, 0) + scaled
        sentences.setdefault(claim.party, []).append(claim.sentence)
    whole = part.amount_minor * scale
    parties = [party for party in order if exact.get(party)]
    if sum([exact[party] for party in parties]) != whole:
        raise RuleBroken("The tranches of the signed document do not add up to the amount.")
    amounts = allocate(part.amount_minor, [exact[party] for party in parties])
    return tuple(
        Share(
            party,
            part.revenue,
            amount,
            round_half_up(Fraction(exact[party] * WHOLE_BP, whole)),
            tuple(sentences[party]),
            acts_as,
        )
        for party, amount in zip(parties, amounts, strict=True)
    )


@cache
def _percent(bp: int) -> str:
    whole, rest = divmod(bp, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + " %" if rest else f"{whole} %"


def _minutes(seconds: int) -> str:
    whole, rest = divmod(seconds, 60)
    return f"{seconds / 60:.1f}" if rest else str(whole)
