"""What billing posts: items and their opposites, decided shares, invoices; and the counters that follow from them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session

from portal.billing.models import BillItem, Share
from portal.billing.queries import stands
from portal.billing.rules import ACCRUAL_PAIRS, FUNDING_PAIRS, ShareAmount, authorization_left
from portal.billing.rules.gross import GROSS, GROSS_DECIDED
from portal.billing.rules.postings import (
    BILLED,
    DECIDED,
    KEPT,
    USE_DECIDED,
    USED,
    accrual_legs,
    decision_legs,
    revenue_legs,
    set_off_legs,
    use_legs,
)
from portal.cases.models import SupportCase
from portal.entitlement.models import Authorization, AuthorizationBalance
from portal.ledger.actions import post, reverse
from portal.ledger.models import JournalTransaction
from portal.ledger.rules import Document, Leg, Pairs
from portal.rows import Fact

_OF_AN_ITEM = (BILLED, KEPT, USED, DECIDED, USE_DECIDED, GROSS, GROSS_DECIDED)


def amounts_of(shares: Iterable[Share], gross: Container[str]) -> list[ShareAmount]:
    """Share rows as values to post; ``gross`` are the revenue kinds that are sold as principal."""
    return [
        ShareAmount(share.id, share.party_id, share.funding, share.amount_minor, share.revenue_kind in gross)
        for share in shares
    ]


def debtor_of(item: BillItem | Fact) -> int:
    """Who owes an item to the operator: the payer, or the integrator that collects from it."""
    collects = item.collector_id == item.integrator_id != item.manufacturer_id and item.payer_id == item.customer_id
    return item.collector_id if collects else item.payer_id


def post_item(
    session: Session, item: BillItem, made: Iterable[Share], gross: Container[str], *, now: datetime, livemode: bool
) -> None:
    """Post what an item accrues, what its collector keeps, what its included time earns, what of it is gross."""
    for kind, legs in item_legs(item, amounts_of(made, gross)):
        document = Document("bill_item", str(item.id))
        _post(session, item, kind, legs, ACCRUAL_PAIRS, document=document, now=now, livemode=livemode)


def item_legs(item: BillItem | Fact, shares: Sequence[ShareAmount]) -> list[tuple[str, list[Leg]]]:
    """The transactions of an item with these shares: each kind with its legs, without those that say nothing."""
    debtor_id = debtor_of(item)
    found = (
        (BILLED, accrual_legs(debtor_id, shares)),
        (KEPT, set_off_legs(debtor_id, shares)),
        (USED, use_legs(item.customer_id, shares)),
        (GROSS, revenue_legs(shares)),
    )
    return [(kind, legs) for kind, legs in found if legs]


def post_decision(
    session: Session, item: BillItem, shares: Sequence[Share], gross: Container[str], *, now: datetime
) -> None:
    """Post reversals of shares and the decided shares that stand in for them."""
    document = Document("share", str(max(share.id for share in shares)))
    rows = amounts_of(shares, gross)
    livemode = bool(
        session.scalar(
            select(func.bool_or(JournalTransaction.livemode)).where(
                JournalTransaction.document_type == "bill_item", JournalTransaction.document_id == str(item.id)
            )
        )
    )
    found = (
        (DECIDED, decision_legs(rows, of_use=False)),
        (USE_DECIDED, decision_legs(rows, of_use=True)),
        (GROSS_DECIDED, revenue_legs(rows)),
    )
    for kind, legs in found:
        if legs:
            _post(session, item, kind, legs, FUNDING_PAIRS, document=document, now=now, livemode=livemode)


def _post(
    session: Session,
    item: BillItem,
    kind: str,
    legs: list[Leg],
    allowed: Pairs,
    *,
    document: Document,
    now: datetime,
    livemode: bool,
) -> int:
    is_decided_late = kind not in (BILLED, KEPT, USED, GROSS)
    return post(
        session,
        manufacturer_id=item.manufacturer_id,
        currency=item.currency,
        kind=kind,
        document=document,
        legs=legs,
        allowed_pairs=allowed,
        occurred_at=now if is_decided_late else item.occurred_at,
        now=now,
        livemode=livemode,
        origin_period_id=item.period_id if is_decided_late else None,
    )


def reverse_postings(session: Session, item: BillItem, *, now: datetime) -> None:
    """Post the opposite of everything posted for an item but its cash."""
    share_ids = session.scalars(select(Share.id).where(Share.bill_item_id == item.id)).all()
    documents = [("bill_item", str(item.id)), *(("share", str(share_id)) for share_id in share_ids)]
    rows = session.scalars(
        select(JournalTransaction).where(
            tuple_(JournalTransaction.document_type, JournalTransaction.document_id).in_(documents),
            JournalTransaction.kind.in_(_OF_AN_ITEM),
        )
    ).all()
    for row in rows:
        reverse(
            session,
            row.id,
            kind=f"{row.kind}_reversal",
            document=Document(row.document_type, row.document_id),
            allowed_pairs=ACCRUAL_PAIRS | FUNDING_PAIRS,
            occurred_at=now,
            now=now,
        )


def settle_authorizations(session: Session, case: SupportCase, yeses: Sequence[Authorization]) -> None:
    """Set what is left of each yes on the case to what the items that stand leave of it."""
    billed = dict(
        session.execute(
            select(BillItem.payer_id, func.sum(BillItem.amount_minor))
            .where(BillItem.case_id == case.id, stands())
            .group_by(BillItem.payer_id)
        )
        .tuples()
        .all()
    )
    for payer_id in sorted({yes.payer_id for yes in yeses}):
        mine = [yes for yes in yeses if yes.payer_id == payer_id]
        left = authorization_left([yes.nte_minor for yes in mine], int(billed.get(payer_id, 0)))
        for yes, minor in zip(mine, left, strict=True):
            session.execute(
                update(AuthorizationBalance)
                .where(AuthorizationBalance.authorization_id == yes.id, AuthorizationBalance.left_minor != minor)
                .values(left_minor=minor)
                .execution_options(synchronize_session=False)
            )
