"""Sales that a promotion code lowered, as they were shared and as the draft's word on who bears discounts shares them.

Only that word is the draft's here: the price, the seller's commission in parts of it, and the shares' rows stay signed.
What of a pack was used is shared with the case that used it; months of plans, commissions and expiry stand here.
What went back to its payer in part stays as it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from portal.billing.actions.plans import month_shares
from portal.billing.models import BillItemReversal, PlanEarning, PlanSale, PlanShare
from portal.billing.packs.expiring import expiry_shares, stands_of
from portal.billing.packs.models import PackSale, PackShare, PackUse
from portal.billing.parties import parties_of, role_of
from portal.billing.splitting import UsedPack
from portal.contracts.blocks import Revenue
from portal.contracts.sharing import RevenuePart
from portal.entitlement.queries import Terms, terms_in_force
from portal.entitlement.rules import NOTHING
from portal.whatif.question import Question
from portal.whatif.rules.discounting import Pack, Steps, steps_of
from portal.whatif.rules.tally import Pair

PLANS, PACKS = "plans", "packs"
# A sale of a kind, with what each party has of it by the signed word and by the draft's.
Both = tuple[str, PlanSale | PackSale, dict[int, int], dict[int, int]]


@dataclass(frozen=True)
class Discounted:
    """The sums of each party by currency both ways, and the sales that are in them by kind."""

    rows: list[dict[str, Any]]
    sales: Mapping[str, frozenset[int]]


def discounted(session: Session, question: Question) -> Discounted:
    """What parties have of the sales of the period that a code lowered, by the signed and by the draft's word."""
    found: dict[str, dict[int, Pair]] = defaultdict(dict)
    sales: dict[str, set[int]] = {PLANS: set(), PACKS: set()}
    both: Iterable[Both] = chain(_months(session, question), _packs(session, question))
    for kind, sale, signed, draft in both:
        sales[kind].add(sale.id)
        for party in signed.keys() | draft.keys():
            found[sale.currency].setdefault(party, Pair()).add(signed.get(party, 0), draft.get(party, 0))
    rows = [
        {"currency": currency, "id": party, "cases": pair.cases, "signed": pair.signed, "draft": pair.draft}
        for currency, parties in sorted(found.items())
        for party, pair in sorted(parties.items(), key=lambda each: (-abs(each[1].draft - each[1].signed), each[0]))
    ]
    return Discounted(rows, {kind: frozenset(ids) for kind, ids in sales.items()})


def used_packs(session: Session, question: Question, item_ids: Sequence[int]) -> dict[int, list[UsedPack]]:
    """What items earned of packs, by item; of packs that a code lowered by the draft's word on who bears that."""
    rows = session.execute(
        select(PackUse, PackSale)
        .join(PackSale, PackSale.id == PackUse.pack_sale_id)
        .where(PackUse.bill_item_id.in_(item_ids))
        .order_by(PackUse.id)
    ).tuples()
    found: dict[int, list[UsedPack]] = defaultdict(list)
    anew: dict[int, dict[int, tuple[int, int]]] = {}
    for use, sale in rows:
        if sale.discount_minor and question.agreement is not None and sale.id not in anew:
            anew[sale.id] = _uses_anew(session, question, sale)
        recorded = use.amount_minor, int(use.explanation.get("discount_minor", 0))
        minor, off = anew.get(sale.id, {}).get(use.id, recorded)
        found[use.bill_item_id].append(UsedPack(sale.grant_id, sale.seller_id, minor, off))
    return found


def _uses_anew(session: Session, question: Question, sale: PackSale) -> dict[int, tuple[int, int]]:
    recorded = _recorded(session, sale, _terms(session, sale))
    if recorded is None:
        return {}
    pack, ids = recorded
    steps = steps_of(pack, _drafted(question, _terms(session, sale)).agreement)
    return dict(zip(ids, steps.uses, strict=True))


def _months(session: Session, question: Question) -> Iterator[Both]:
    for sale in session.scalars(_sold(PlanSale, PlanSale.starts_at, question)):
        earned = select(func.coalesce(func.sum(PlanEarning.amount_minor), 0)).where(PlanEarning.plan_sale_id == sale.id)
        total = int(session.scalar(earned) or 0)
        if total <= 0:
            continue
        signed = _by_party(session, PlanShare, PlanShare.plan_sale_id == sale.id)
        terms = _drafted(question, _terms(session, sale))
        parties = parties_of(session, sale, terms.agreement)
        draft: dict[int, int] = defaultdict(int)
        for share in month_shares(session, sale, terms, total):
            draft[parties[share.party]] += share.amount_minor
        yield PLANS, sale, signed, draft


def _packs(session: Session, question: Question) -> Iterator[Both]:
    for sale in session.scalars(_sold(PackSale, PackSale.sold_at, question)):
        signed_terms = _terms(session, sale)
        recorded = _recorded(session, sale, signed_terms)
        if recorded is None:
            continue
        terms = _drafted(question, signed_terms)
        steps = steps_of(recorded[0], terms.agreement)
        signed = _by_party(session, PackShare, PackShare.pack_sale_id == sale.id)
        yield PACKS, sale, signed, _pack_shares(session, sale, terms, steps)


def _pack_shares(session: Session, sale: PackSale, terms: Terms, steps: Steps) -> dict[int, int]:
    parties = parties_of(session, sale, terms.agreement)
    seller = role_of(parties, sale.seller_id)
    found: dict[int, int] = defaultdict(int)
    found[parties[seller]] += steps.commission_minor
    minor, off = steps.expiry
    if minor:
        for share in expiry_shares(sale, terms, seller, RevenuePart(Revenue.PACK_BREAKAGE, minor, off)):
            found[parties[share.party]] += share.amount_minor
    return {party: amount for party, amount in found.items() if amount}


def _recorded(session: Session, sale: PackSale, signed: Terms) -> tuple[Pack, list[int]] | None:
    """A pack as it was earned, and its uses' ids; None where some of it went back or an item was taken back."""
    stands = stands_of(session, sale)
    if stands.given_back_minor or stands.withdrawn != NOTHING:
        return None
    uses = session.scalars(select(PackUse).where(PackUse.pack_sale_id == sale.id).order_by(PackUse.id)).all()
    gone = select(BillItemReversal.bill_item_id).where(
        BillItemReversal.bill_item_id.in_([use.bill_item_id for use in uses])
    )
    if session.scalar(gone.limit(1)) is not None:
        return None
    drawn = [(int(use.explanation["used_by_all"]), int(use.explanation["granted"])) for use in uses]
    parties = parties_of(session, sale, signed.agreement)
    earned = stands.commission_minor, drawn, stands.used_minor, stands.expired_minor
    seller = role_of(parties, sale.seller_id)
    return Pack(sale.amount_minor, sale.discount_minor, seller, *earned), [use.id for use in uses]


def _sold(table: Any, sold_at: Any, question: Question) -> Any:
    of_partnership: tuple[ColumnElement[bool], ...] = (
        () if question.integrator_id is None else (table.integrator_id == question.integrator_id,)
    )
    return (
        select(table)
        .where(
            table.manufacturer_id == question.manufacturer_id,
            table.discount_minor > 0,
            sold_at >= question.from_at,
            sold_at < question.until_at,
            *of_partnership,
        )
        .order_by(table.id)
    )


def _by_party(session: Session, table: Any, of: ColumnElement[bool]) -> dict[int, int]:
    rows = session.execute(select(table.party_id, func.sum(table.amount_minor)).where(of).group_by(table.party_id))
    return {party: int(minor) for party, minor in rows.tuples() if minor}


def _terms(session: Session, sale: PlanSale | PackSale) -> Terms:
    at = sale.sold_at if isinstance(sale, PackSale) else sale.starts_at
    return terms_in_force(session, manufacturer_id=sale.manufacturer_id, integrator_id=sale.integrator_id, at=at)


def _drafted(question: Question, signed: Terms) -> Terms:
    """The signed documents with the draft's word on who bears discounts."""
    if question.agreement is None or signed.agreement is None:
        return signed
    word = question.agreement.selling.discounts_borne_by
    selling = signed.agreement.selling.model_copy(update={"discounts_borne_by": word})
    return replace(signed, agreement=signed.agreement.model_copy(update={"selling": selling}))
