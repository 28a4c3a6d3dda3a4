"""Who gets what of an item's lines, by the signed documents and what is settled of the case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal.billing.facts import BillingFacts
from portal.billing.parties import role_of
from portal.contracts.blocks import Company, Payer, Revenue
from portal.contracts.sharing import RevenuePart, Share, SharingFacts, shares_of
from portal.rating.facts import INTEGRATOR, MANUFACTURER
from portal.rating.lines import INCLUDED, MATERIAL, PAID_KINDS, Line
from portal.rating.parts import supplied_minor


@dataclass(frozen=True)
class UsedPack:
    """What an item earns of one pack, who sold that, and what a promotion code took off that part."""

    grant_id: int
    seller_id: int
    minor: int
    discount_minor: int = 0


def split(
    facts: BillingFacts,
    parties: Mapping[str, int],
    lines: Sequence[Line],
    *,
    payer: str,
    amount_minor: int,
    use_minor: int,
    packs: Sequence[UsedPack] = (),
) -> tuple[Share, ...]:
    """The shares of what is paid, parts apart; of what included time earns at its use; of what used packs do."""
    paid = [line for line in lines if line.kind in PAID_KINDS]
    parts_minor = sum(line.amount_minor for line in lines if line.kind == MATERIAL)
    drawn = [line for line in lines if line.kind == INCLUDED and line.key.grant_id is not None]
    return (
        *_shares(
            facts, parties, RevenuePart(Revenue.TIME_AND_MATERIALS, amount_minor - parts_minor), paid, payer=payer
        ),
        *_shares(facts, parties, RevenuePart(Revenue.MATERIALS, parts_minor), paid, payer=payer),
        *_shares(facts, parties, RevenuePart(Revenue.INCLUDED, use_minor), drawn, payer=payer),
        *(share for pack in packs for share in _pack_shares(facts, parties, lines, pack, payer=payer)),
    )


def _pack_shares(
    facts: BillingFacts, parties: Mapping[str, int], lines: Sequence[Line], pack: UsedPack, *, payer: str
) -> tuple[Share, ...]:
    """The shares of one pack: of whoever sold that pack, and by the work that used it."""
    part = RevenuePart(Revenue.PACK_USE, pack.minor, pack.discount_minor)
    used = [line for line in lines if line.key.grant_id == pack.grant_id]
    return _shares(facts, parties, part, used, payer=payer, seller_id=pack.seller_id)


def _shares(
    facts: BillingFacts,
    parties: Mapping[str, int],
    part: RevenuePart,
    lines: Sequence[Line],
    *,
    payer: str,
    seller_id: int | None = None,
) -> tuple[Share, ...]:
    if not part.amount_minor:
        return ()
    documents = facts.documents
    sharing = SharingFacts(
        parts=(part,),
        worked=_worked(lines),
        supplied=supplied_minor(lines),
        weights=facts.outcome.weights,
        seller=role_of(parties, facts.seller_id if seller_id is None else seller_id),
        payer=Payer.INTEGRATOR if payer == INTEGRATOR else Payer.CUSTOMER,
        has_integrator=facts.has_integrator,
        volumes=facts.volumes,
    )
    return shares_of(documents.policy, documents.agreement, sharing)


def _worked(lines: Sequence[Line]) -> tuple[tuple[Company, int], ...]:
    """The counted seconds of each company's people; what a later cut takes back counts against them, never below 0."""
    seconds = {MANUFACTURER: 0, INTEGRATOR: 0}
    for line in lines:
        for segment in line.segments:
            seconds[segment.side] += segment.seconds
    return tuple((Company(side), max(counted, 0)) for side, counted in seconds.items())
