"""Who resolved it, once more: shares follow what is settled of a case, without touching the bill item.

When the resolvers become known, the undetermined share is reversed and the shares that stand in for it are added, in
one statement. When what was settled changes (a confirmation undone, a split challenged or decided otherwise), all of
the item's shares are replaced likewise. What cash had reached moves along.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.billing.actions.cash import move_cash
from portal.billing.actions.cuts import lock_case
from portal.billing.actions.items import billed_lines, rebill
from portal.billing.actions.money import post_decision
from portal.billing.actions.rows import insert_shares, shares_for, standing_shares, weights_out
from portal.billing.facts import BillingFacts
from portal.billing.gathering import gather
from portal.billing.models import BillItem, Share
from portal.billing.packs.using import stored_parts
from portal.billing.queries import live_items
from portal.billing.rules.postings import SET_OFF
from portal.billing.volumes import with_volumes
from portal.contracts.blocks import Revenue
from portal.contracts.discounts import discount_bearer
from portal.contracts.sharing import UNDETERMINED, settle_undetermined
from portal.contracts.sharing import Share as Part


def decide_shares(session: Session, case_id: int, *, now: datetime) -> int:
    """Let the shares of a case's items follow what is settled of it; how many items changed. Again is harmless."""
    case = lock_case(session, case_id)
    items = [(item, standing_shares(session, item.id)) for item in live_items(session, case_id)]
    facts = gather(session, case)
    settled = weights_out(facts.outcome.weights)
    changed: list[BillItem] = []
    for item, shares in items:
        if not any(_depends_on_resolvers(share) and share.explanation["weights"] != settled for share in shares):
            continue
        undetermined = [share for share in shares if share.party_id is None]
        if undetermined and settled is not None and not _bears_discount(session, facts, item):
            _replace(session, facts, item, undetermined, *(_settled(facts, share) for share in undetermined), now=now)
        elif any(share.funding == SET_OFF for share in shares):
            # What the collector kept was settled with the item: only a new item settles it otherwise.
            rebill(session, item.cut_id, reason="who resolved the case changed", now=now)
            return 1 + decide_shares(session, case_id, now=now)
        else:
            known_then = with_volumes(session, facts, item.period_id)
            parts = shares_for(known_then, item, billed_lines(session, item), stored_parts(session, item))
            _replace(session, facts, item, shares, parts, now=now)
        changed.append(item)
    move_cash(session, changed, now=now)
    return len(changed)


def _bears_discount(session: Session, facts: BillingFacts, item: BillItem) -> bool:
    """Whether a party bears a discount within the item: its share is known only with all of them."""
    named = discount_bearer(facts.documents.agreement, "") is not None
    return named and any(pack.discount_minor for pack in stored_parts(session, item))


def _depends_on_resolvers(share: Share) -> bool:
    """Whether any part of the share went to those who resolved the case, decided or not."""
    return any("who resolved it" in sentence for sentence in share.explanation["sentences"])


def _replace(
    session: Session,
    facts: BillingFacts,
    item: BillItem,
    shares: list[Share],
    *parts: tuple[Part, ...],
    now: datetime,
) -> None:
    added = insert_shares(
        session,
        item,
        "decided",
        [part for row in parts for part in row],
        facts.parties,
        now=now,
        weights=facts.outcome.weights,
        reverses=shares,
    )
    gross = facts.documents.gross_kinds
    post_decision(session, item, added, gross, now=now)


def _settled(facts: BillingFacts, share: Share) -> tuple[Part, ...]:
    documents, weights = facts.documents, facts.outcome.weights
    if weights is None:
        return ()
    sentences = tuple(share.explanation["sentences"])
    undetermined = Part(UNDETERMINED, Revenue(share.revenue_kind), share.amount_minor, share.weight_bp, sentences)
    return settle_undetermined(
        documents.policy, documents.agreement, undetermined, weights, has_integrator=facts.has_integrator
    )
