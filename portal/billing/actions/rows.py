"""The rows of a bill item: itself, its lines, their segments, its shares; and their opposites.

Lines and shares of an item go in by one statement each: the database sums them as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from portal.billing.facts import BillingFacts
from portal.billing.models import BillingCut, BillItem, BillLine, BillSegment, Share
from portal.billing.packs.using import PackPart, pack_parts, store_uses
from portal.billing.parties import organisation_of
from portal.billing.rules import ItemPart, included_seconds, lines_of, worth_minor
from portal.billing.rules.gross import sold_as
from portal.billing.rules.postings import CASH, SET_OFF, USE
from portal.billing.splitting import UsedPack, split
from portal.billing.volumes import with_volumes
from portal.contracts.blocks import ActsAs, Revenue, Weights
from portal.contracts.sharing import Share as Part
from portal.entitlement.queries import CaseParts
from portal.ledger.actions import lock_open_period
from portal.rating.explanation import explain, line_explanation
from portal.rating.facts import CUSTOMER, INTEGRATOR
from portal.rating.lines import INCLUDED, Line, RatedCase, difference
from portal.rating.words import line_words
from portal.rows import Fact

# Of many items billed together none is the session's own: they are rows made here, and go in by one statement.
Item = BillItem | Fact

# One INSERT binds at most 65,535 values; an item with more segments than this takes several.
_SEGMENTS_AT_ONCE = 2_000


def insert_item(
    session: Session,
    facts: BillingFacts,
    cut: BillingCut,
    part: ItemPart,
    earlier: RatedCase | None,
    *,
    now: datetime,
    livemode: bool = False,
    replaces: BillItem | None = None,
) -> tuple[BillItem, list[Share]]:
    """The item of a cut with its lines and segments, and its shares: what the part costs beyond the earlier rating."""
    lines = difference(part.rated.lines, lines_of(earlier))
    packs = pack_parts(session, facts.case, part.rated, earlier, now=now, livemode=livemode)
    period_id = lock_open_period(session, facts.case.manufacturer_id)
    item = BillItem(**item_columns(facts, cut, part, lines, earlier, period_id=period_id, now=now))
    item.use_minor += sum(pack.minor for pack in packs)
    item.revision = replaces.revision + 1 if replaces is not None else 0
    item.replaces_id = replaces.id if replaces is not None else None
    session.add(item)
    session.flush()
    _insert_lines(session, item, lines, earlier)
    store_uses(session, item, packs, now=now)
    parts = shares_for(with_volumes(session, facts, item.period_id), item, lines, packs)
    shares = insert_shares(session, item, "original", parts, facts.parties, now=now, weights=facts.outcome.weights)
    return item, shares


def item_columns(
    facts: BillingFacts,
    cut: BillingCut | Fact,
    part: ItemPart,
    lines: Sequence[Line],
    earlier: RatedCase | None,
    *,
    period_id: int,
    now: datetime,
) -> dict[str, Any]:
    """The row of an item by its columns, not stored yet; ``lines`` are what the part adds to the earlier rating."""
    case, bill, documents = facts.case, part.bill, facts.documents
    pays_integrator = part.payer == INTEGRATOR
    collects = bill.collector == INTEGRATOR and facts.has_integrator and not pays_integrator
    policy = documents.policy
    use = worth_minor(policy, included_seconds(part.rated)) - worth_minor(policy, included_seconds(earlier))
    amount_minor = sum(line.amount_minor for line in lines)
    return {
        **case_columns(case.id, case),
        # The integrator's own purchases, and what it resells, are not for its customer's eyes.
        "audience": "companies" if pays_integrator or collects else "customer",
        "owner_id": case.manufacturer_id,
        "cut_id": cut.id,
        "revision": 0,
        "payer_id": case.integrator_id if pays_integrator else case.customer_id,
        "collector_id": case.integrator_id if collects else facts.parties["operator"],
        "seller_of_record_id": organisation_of(facts.parties, bill.seller),
        "currency": facts.tariff.currency,
        "amount_minor": amount_minor,
        "list_amount_minor": max(amount_minor, sum(line.list_amount_minor for line in lines)),
        "included_seconds": sum(line.seconds for line in lines if line.kind == INCLUDED),
        "use_minor": max(use, 0),
        "policy_version_id": documents.policy_version_id,
        "agreement_version_id": documents.agreement_version_id,
        "resolution_id": facts.outcome.resolution_id,
        "period_id": period_id,
        "explanation": explain(part.rated),
        "occurred_at": cut.cut_at,
        "recorded_at": now,
    }


def case_columns(case_id: int, named: CaseParts | Item) -> dict[str, int]:
    """The columns that every row about a case carries; ``named`` names its companies."""
    return {
        "case_id": case_id,
        "manufacturer_id": named.manufacturer_id,
        "integrator_id": named.integrator_id,
        "customer_id": named.customer_id,
    }


def _insert_lines(session: Session, item: BillItem, lines: Sequence[Line], earlier: RatedCase | None) -> None:
    if not lines:
        return
    rows = line_rows(item, lines, earlier)
    ids = dict(session.execute(insert(BillLine).values(rows).returning(BillLine.position, BillLine.id)).tuples().all())
    segments = segment_rows(item, lines, ids)
    for first in range(0, len(segments), _SEGMENTS_AT_ONCE):
        session.execute(insert(BillSegment).values(segments[first : first + _SEGMENTS_AT_ONCE]))


def line_rows(item: Item, lines: Sequence[Line], earlier: RatedCase | None) -> list[dict[str, Any]]:
    """The rows of an item's lines, numbered from 1."""
    of_item = _of_item(item)
    place = {line["at"]: index for index, line in enumerate(_keys(item.explanation))}
    return [
        {
            **of_item,
            "bill_item_id": item.id,
            "position": position,
            "kind": line.kind,
            "bearer": line.bearer,
            "band": line.key.band,
            "mode": line.key.mode,
            "task_class": line.key.task_class,
            "seconds": line.seconds,
            "rate_num": line.key.rate_num,
            "rate_den": line.key.rate_den,
            "currency": item.currency,
            "amount_minor": line.amount_minor,
            "list_amount_minor": line.list_amount_minor,
            "description": line_words(_spoken(line), item.currency),
            "explanation": _explained(item.explanation, place.get(_key(line)), line, earlier),
        }
        for position, line in enumerate(lines, start=1)
    ]


def segment_rows(item: Item, lines: Sequence[Line], ids: Mapping[int, int]) -> list[dict[str, Any]]:
    """The rows of the work that the lines count; ``ids`` are the lines' by their positions."""
    of_item = _of_item(item)
    return [
        {
            **of_item,
            "line_id": ids[position],
            "entry_id": segment.entry_id,
            "started_at": segment.started_at,
            "ended_at": segment.ended_at,
            "seconds": segment.end - segment.start,
            "billed_seconds": segment.seconds,
        }
        for position, line in enumerate(lines, start=1)
        for segment in line.segments
    ]


def _of_item(item: Item) -> dict[str, Any]:
    return {**case_columns(item.case_id, item), "audience": item.audience, "owner_id": item.owner_id}


def _keys(explanation: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "at": (
                line["kind"],
                line["plan"],
                line["mode"],
                line["task_class"],
                line["band"],
                line["grant"],
                line.get("detail", ""),
                line.get("supplier", ""),
            )
        }
        for line in explanation["lines"]
    ]


def _key(line: Line) -> tuple[object, ...]:
    key = line.key
    return (key.kind, key.plan, key.mode, key.task_class, key.band, key.grant_id, key.detail, key.supplier)


def _spoken(line: Line) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "band": line.key.band,
        "mode": line.key.mode,
        "rate": [line.key.rate_num, line.key.rate_den],
        "seconds": line.seconds,
        "amount_minor": line.amount_minor,
        "list_amount_minor": line.list_amount_minor,
        "detail": line.key.detail,
        "supplier": line.key.supplier,
    }


def _explained(
    explanation: Mapping[str, Any], index: int | None, line: Line, earlier: RatedCase | None
) -> dict[str, Any]:
    """The steps that made the line; of a later cut also what earlier cuts had billed of it."""
    steps = line_explanation(explanation, index) if index is not None else {"lines": []}
    before = [each for each in lines_of(earlier) if _key(each) == _key(line)]
    if not before:
        return steps
    billed = {
        "seconds": sum(each.seconds for each in before),
        "amount_minor": sum(each.amount_minor for each in before),
    }
    return {**steps, "billed_before": billed}


def weights_out(weights: Weights | None) -> list[int] | None:
    """The resolvers' weights as kept with a share."""
    return None if weights is None else [weights.integrator_bp, weights.manufacturer_bp]


def shares_for(
    facts: BillingFacts, item: Item, lines: Sequence[Line], packs: Sequence[PackPart] = ()
) -> tuple[Part, ...]:
    """Who gets what of an item with these lines and packs, as far as its resolvers are known."""
    return split(
        facts,
        facts.parties,
        lines,
        payer=INTEGRATOR if item.payer_id == facts.case.integrator_id else CUSTOMER,
        amount_minor=item.amount_minor,
        use_minor=item.use_minor - sum(pack.minor for pack in packs),
        packs=[UsedPack(pack.sale.grant_id, pack.sale.seller_id, pack.minor, pack.discount_minor) for pack in packs],
    )


def insert_shares(
    session: Session,
    item: BillItem,
    kind: str,
    parts: Sequence[Part],
    parties: Mapping[str, int],
    *,
    now: datetime,
    weights: Weights | None = None,
    reverses: Sequence[Share] = (),
) -> list[Share]:
    """Shares of an item and the reversals of those they stand in for, in one statement; a share of nothing is none."""
    rows = [_opposite(share, now) for share in reverses]
    rows += share_rows(item, kind, parts, parties, now=now, weights=weights)
    if not rows:
        return []
    ids = session.scalars(insert(Share).values(rows).returning(Share.id)).all()
    return list(session.scalars(select(Share).where(Share.id.in_(ids)).order_by(Share.id)))


def share_rows(
    item: Item,
    kind: str,
    parts: Sequence[Part],
    parties: Mapping[str, int],
    *,
    now: datetime,
    weights: Weights | None = None,
) -> list[dict[str, Any]]:
    """The rows of shares of an item; a share of nothing is none."""
    rows: list[dict[str, Any]] = []
    of_case = case_columns(item.case_id, item)
    for part in parts:
        if not part.amount_minor:
            continue
        party_id = parties.get(part.party)
        funding = USE if part.revenue in (Revenue.INCLUDED, Revenue.PACK_USE) else CASH
        if funding == CASH and kind == "original" and party_id is not None and party_id == item.collector_id:
            funding = SET_OFF if item.collector_id == item.integrator_id != item.manufacturer_id else CASH
        rows.append(
            {
                **of_case,
                "bill_item_id": item.id,
                "kind": kind,
                "party_id": party_id,
                "party_role": part.party,
                "revenue_kind": part.revenue.value,
                "funding": funding,
                "weight_bp": part.weight_bp,
                "currency": item.currency,
                "amount_minor": part.amount_minor,
                "reverses_id": None,
                "explanation": {
                    "sentences": list(part.explanation),
                    "weights": weights_out(weights),
                    **sold_as(is_gross=part.acts_as is ActsAs.PRINCIPAL),
                },
                "recorded_at": now,
            }
        )
    return rows


def reverse_shares(session: Session, item: BillItem, *, now: datetime) -> None:
    """Take back every share of an item that stands."""
    rows = [_opposite(share, now) for share in standing_shares(session, item.id)]
    if rows:
        session.execute(insert(Share).values(rows))


def standing_shares(session: Session, bill_item_id: int) -> list[Share]:
    """The shares of an item that were not taken back."""
    shares = session.scalars(select(Share).where(Share.bill_item_id == bill_item_id).order_by(Share.id)).all()
    gone = {share.reverses_id for share in shares}
    return [share for share in shares if share.kind != "reversal" and share.id not in gone]


def _opposite(share: Share, now: datetime) -> dict[str, Any]:
    return {
        **{name: getattr(share, name) for name in ("case_id", "manufacturer_id", "integrator_id", "customer_id")},
        "bill_item_id": share.bill_item_id,
        "kind": "reversal",
        "party_id": share.party_id,
        "party_role": share.party_role,
        "revenue_kind": share.revenue_kind,
        "funding": share.funding,
        "weight_bp": share.weight_bp,
        "currency": share.currency,
        "amount_minor": -share.amount_minor,
        "reverses_id": share.id,
        "explanation": {"sentences": [], **sold_as(is_gross="sold_as" in share.explanation)},
        "recorded_at": now,
    }
