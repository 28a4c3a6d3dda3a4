"""Bill items: made from a cut, taken back and made again.

One cut of a case has one item. Where both the customer and the integrator pay for work of the case, a second cut of the
same instant carries the other side's item, so that neither sees the other's prices. Invariants: cuts of a case are
billed in their order, each the difference to the ones before; a correction reverses what stands and adds what is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.actions.cash import move_cash
from portal.billing.actions.cuts import add_cut, cut, lock_case
from portal.billing.actions.hours import reserve_for
from portal.billing.actions.money import post_item, reverse_postings, settle_authorizations
from portal.billing.actions.rows import insert_item, reverse_shares
from portal.billing.facts import CLOSING, BillingFacts, drawn_of, up_to
from portal.billing.gathering import gather, promised_hours, read_case
from portal.billing.models import BillingCut, BillItem, BillItemReversal
from portal.billing.queries import blockers, live_item, live_items, live_items_before
from portal.billing.rules import ItemPart, draw_changes, drawn_by, lines_of, parts_by_payer
from portal.cases.models import SupportCase
from portal.entitlement.actions import draw_reserved, return_unused
from portal.entitlement.orders.actions import settle_orders
from portal.entitlement.rules import Amount
from portal.errors import NotFound, RuleBroken
from portal.jobs import enqueue
from portal.rating.engine import rate
from portal.rating.explanation import explain, replay
from portal.rating.facts import CUSTOMER
from portal.rating.lines import MATERIAL, Line, RatedCase, difference
from portal.rating.pricing import price
from portal.rating.terms import Bill


def bill(session: Session, cut_id: int, *, now: datetime, livemode: bool = False) -> Sequence[BillItem]:
    """The items of a cut and of the cuts of its case before it; none while something holds them. Again is harmless.

    *Raises*: NotFound; RuleBroken when the case cannot be billed by its documents.
    """
    wanted = session.get(BillingCut, cut_id)
    if wanted is None:
        raise NotFound()
    case = lock_case(session, wanted.case_id)
    instants = [each for each in _instants(session, case.id) if each[0].seq <= wanted.seq]
    made: list[BillItem] = []
    facts: BillingFacts | None = None
    for cuts in instants:
        if live_item(session, cuts[0].id) is not None:
            continue
        if blockers(session, case, cuts[0], now=now):
            break
        facts = _with_hours(session, gather(session, case), now=now) if facts is None else facts
        made.extend(_bill_instant(session, facts, cuts, now=now, livemode=livemode))
    if made and facts is not None:
        _promise_again(session, facts, now=now)
    return [item for item in made if item.cut_id == cut_id] or _standing(session, cut_id)


def rebill(session: Session, cut_id: int, *, reason: str, now: datetime, livemode: bool = False) -> Sequence[BillItem]:
    """Take back the items of a cut and of later cuts of its case, and make them again from what is known now.

    *Raises*: NotFound; RuleBroken while something holds the case.
    """
    wanted = session.get(BillingCut, cut_id)
    if wanted is None:
        raise NotFound()
    case = lock_case(session, wanted.case_id)
    first = next(cuts for cuts in _instants(session, case.id) if cut_id in {each.id for each in cuts})[0]
    if blockers(session, case, wanted, now=now):
        raise RuleBroken("Something holds this bill: it can be made again when that is done.")
    return _rebill_from(session, case, first.seq, reason=reason, now=now, livemode=livemode)


def bill_case(session: Session, case_id: int, *, now: datetime, livemode: bool = False) -> int:
    """Cut a closed case and bill all its cuts that are not billed and not held; how many items were made."""
    case = lock_case(session, case_id)
    if case.state == "closed":
        cut(session, case, CLOSING, now=now, cut_at=case.closed_at)
    before = len(live_items(session, case_id))
    for cuts in _instants(session, case_id):
        if live_item(session, cuts[0].id) is None:
            bill(session, cuts[0].id, now=now, livemode=livemode)
    return len(live_items(session, case_id)) - before


def rebill_case(session: Session, case_id: int, *, reason: str, now: datetime, livemode: bool = False) -> int:
    """Bill what waits, and make again what would come out otherwise now; how many items were made."""
    made = bill_case(session, case_id, now=now, livemode=livemode)
    case = lock_case(session, case_id)
    facts = gather(session, case)
    for cuts in _instants(session, case_id):
        if live_item(session, cuts[0].id) is not None and not blockers(session, case, cuts[0], now=now):
            stored = {side_of(case, item): item.explanation["lines"] for item in _items_of(session, cuts)}
            parts = parts_by_payer(_rate(up_to(facts, cuts[0])))
            known = {part.payer: explain(part.rated)["lines"] for part in parts}
            if {side: lines for side, lines in stored.items() if lines} != {
                side: lines for side, lines in known.items() if lines
            }:
                return made + len(rebill(session, cuts[0].id, reason=reason, now=now, livemode=livemode))
    return made


def billed_lines(session: Session, item: BillItem) -> tuple[Line, ...]:
    """The lines of an item, as billed: what its cut came to beyond the cut before it."""
    of_cut = session.get_one(BillingCut, item.cut_id)
    case = session.get_one(SupportCase, item.case_id)
    earlier = _rated_before(session, case, of_cut).get(side_of(case, item))
    return difference(replay(item.explanation).lines, lines_of(earlier))


def _items_of(session: Session, cuts: Iterable[BillingCut]) -> list[BillItem]:
    found = (live_item(session, each.id) for each in cuts)
    return [item for item in found if item is not None]


def _standing(session: Session, cut_id: int) -> list[BillItem]:
    item = live_item(session, cut_id)
    return [item] if item is not None else []


def _instants(session: Session, case_id: int) -> list[list[BillingCut]]:
    """The case's cuts in order, those of one instant together."""
    found: list[list[BillingCut]] = []
    for each in session.scalars(select(BillingCut).where(BillingCut.case_id == case_id).order_by(BillingCut.seq)):
        if found and (found[-1][0].kind, found[-1][0].cut_at) == (each.kind, each.cut_at):
            found[-1].append(each)
        else:
            found.append([each])
    return found


def _with_hours(session: Session, facts: BillingFacts, *, now: datetime) -> BillingFacts:
    """The facts with what the case is promised: drawing for one cut frees what the next will use, so it is kept."""
    if not facts.hours and not facts.grants:
        return facts
    reserve_for(session, facts, now=now)
    return replace(facts, grants=promised_hours(read_case(session, facts.case)))


def _promise_again(session: Session, facts: BillingFacts, *, now: datetime) -> None:
    """Promise what is left of the hours to work that no cut has billed yet."""
    if facts.grants:
        reserve_for(session, replace(facts, drawn=drawn_of(session, facts.case.id)), now=now)


def _rebill_from(
    session: Session, case: SupportCase, seq: int, *, reason: str, now: datetime, livemode: bool
) -> list[BillItem]:
    facts = _with_hours(session, gather(session, case), now=now)
    instants = [cuts for cuts in _instants(session, case.id) if cuts[0].seq >= seq]
    gone = [
        item for item in live_items(session, case.id) if item.cut_id in {each.id for row in instants for each in row}
    ]
    for item in reversed(gone):
        _take_back(session, case, item, reason=reason, now=now)
    replaced = {item.cut_id: item for item in gone}
    made: list[BillItem] = []
    for cuts in instants:
        if any(each.id in replaced for each in cuts):
            made.extend(_bill_instant(session, facts, cuts, now=now, livemode=livemode, replaced=replaced))
    move_cash(session, gone, now=now)
    _promise_again(session, facts, now=now)
    return made


def _take_back(session: Session, case: SupportCase, item: BillItem, *, reason: str, now: datetime) -> None:
    session.add(
        BillItemReversal(
            case_id=case.id,
            manufacturer_id=case.manufacturer_id,
            integrator_id=case.integrator_id,
            customer_id=case.customer_id,
            audience=item.audience,
            owner_id=item.owner_id,
            bill_item_id=item.id,
            reason=reason,
            reversed_at=now,
        )
    )
    session.flush()
    reverse_shares(session, item, now=now)
    reverse_postings(session, item, now=now)


def _bill_instant(
    session: Session,
    all_of_it: BillingFacts,
    cuts: list[BillingCut],
    *,
    now: datetime,
    livemode: bool,
    replaced: dict[int, BillItem] | None = None,
) -> list[BillItem]:
    """The items of one instant of a case: the first cut's, and where the other side pays too, a second cut's."""
    case, facts = all_of_it.case, up_to(all_of_it, cuts[0])
    before = _rated_before(session, case, cuts[0])
    parts = _with_those_billed_before(parts_by_payer(_rate(facts)), before)
    if replaced is None and any(_owed(part, before) < 0 or _takes_back(part, before) for part in parts):
        reason = "what is known now costs less than was billed before"
        _rebill_from(session, case, 1, reason=reason, now=now, livemode=livemode)
        before = _rated_before(session, case, cuts[0])
        parts = _with_those_billed_before(parts_by_payer(_rate(facts)), before)
    while len(cuts) < len(parts):
        cuts = [*cuts, add_cut(session, case, cuts[0].kind, cuts[0].cut_at)]
    parts = _in_place(parts, cuts, replaced or {}, case)
    made = []
    for each, part in zip(cuts, parts, strict=True):
        if _owed(part, before) < 0:
            raise RuleBroken("A later bill of this case would be below zero.")
        earlier = before.get(part.payer)
        old = (replaced or {}).get(each.id)
        item, shares = insert_item(session, facts, each, part, earlier, now=now, livemode=livemode, replaces=old)
        if part.payer == CUSTOMER and facts.grants:
            changes = draw_changes(part.rated, drawn_of(session, case.id))
            draw_reserved(session, case, bill_item_id=item.id, drawn=changes, now=now)
            if _takes_bought(facts, changes):
                enqueue(session, "notify_pack_use", bill_item_id=item.id)
        gross = facts.documents.gross_kinds
        post_item(session, item, shares, gross, now=now, livemode=livemode)
        made.append(item)
    settle_authorizations(session, case, facts.authorizations)
    settle_orders(session, case, is_over=case.state == "closed", now=now)
    if case.state == "closed":
        return_unused(session, case, policy=facts.documents.policy)
    return made


def _rate(facts: BillingFacts) -> RatedCase:
    return rate(facts.facts, facts.work, facts.grants, facts.tariff)


def _rated_before(session: Session, case: SupportCase, before: BillingCut) -> dict[str, RatedCase]:
    """Each side's lines as its latest item before this cut left them."""
    found = {}
    for item in live_items_before(session, before):
        found[side_of(case, item)] = replay(item.explanation)
    return found


def side_of(case: SupportCase, item: BillItem) -> str:
    """Which side of its case pays an item."""
    return CUSTOMER if item.payer_id == case.customer_id else "integrator"


def _with_those_billed_before(parts: Sequence[ItemPart], before: dict[str, RatedCase]) -> list[ItemPart]:
    """The parts, and an empty one for a side that was billed before and owes nothing now."""
    missing = [side for side in before if side not in {part.payer for part in parts}]
    return [*parts, *(_nothing(side, before[side]) for side in missing)]


def _nothing(side: str, rated: RatedCase) -> ItemPart:
    return ItemPart(side, price(rated.basis._replace(slices=(), grants=(), charges=())), Bill(payer=side))


def _owed(part: ItemPart, before: dict[str, RatedCase]) -> int:
    """What the part costs more than was billed before; below zero where time or what was fitted costs less."""
    changed = difference(part.rated.lines, lines_of(before.get(part.payer)))
    fitted = sum(line.amount_minor for line in changed if line.kind == MATERIAL)
    worked = sum(line.amount_minor for line in changed) - fitted
    return fitted + worked if min(fitted, worked) >= 0 else min(fitted, worked)


def _takes_bought(facts: BillingFacts, changes: Mapping[int, Amount]) -> bool:
    """Whether hours that the customer bought are used: it is told."""
    bought = {each.grant.id for each in facts.hours if each.grant.kind == "pack"}
    return any(amount.seconds > 0 or amount.incidents > 0 for grant, amount in changes.items() if grant in bought)


def _takes_back(part: ItemPart, before: dict[str, RatedCase]) -> bool:
    """Whether hours that were billed before would be given back: then what they earned was too much."""
    changes = draw_changes(part.rated, drawn_by(before.get(part.payer)))
    return any(amount.seconds < 0 or amount.incidents < 0 for amount in changes.values())


def _in_place(
    parts: Iterable[ItemPart], cuts: Sequence[BillingCut], replaced: dict[int, BillItem], case: SupportCase
) -> list[ItemPart]:
    """The parts by cut: an item is replaced by one of the same payer, and a cut that is left over costs nothing."""
    waiting = {part.payer: part for part in parts}
    placed: dict[int, ItemPart] = {}
    for each in cuts:
        if each.id in replaced and (side := side_of(case, replaced[each.id])) in waiting:
            placed[each.id] = waiting.pop(side)
    some = next(iter([*placed.values(), *waiting.values()]))
    for each in cuts:
        if each.id not in placed:
            left = next(iter(waiting), None)
            placed[each.id] = waiting.pop(left) if left else _nothing(_other_side(placed), some.rated)
    return [placed[each.id] for each in cuts]


def _other_side(placed: dict[int, ItemPart]) -> str:
    return "integrator" if CUSTOMER in {part.payer for part in placed.values()} else CUSTOMER
