"""Reads of purchase orders, scoped by the actor: the payer's own, and those a manufacturer was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ARRAY, BigInteger, Select, any_, cast, func, select
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.contracts import queries as contracts
from portal.directory.queries import organisation_names
from portal.entitlement.models import Authorization
from portal.entitlement.orders.models import (
    PurchaseOrder,
    PurchaseOrderBalance,
    PurchaseOrderMovement,
    PurchaseOrderWithdrawal,
)
from portal.entitlement.orders.rules import OrderFacts, OrderState, state_of, what_to_do
from portal.errors import NotFound

MOST = 200


@dataclass(frozen=True)
class OrderRow:
    """An order with what is left of it, and what to do about it."""

    order: PurchaseOrder
    balance: PurchaseOrderBalance
    withdrawal: PurchaseOrderWithdrawal | None
    state: OrderState
    payer_name: str
    manufacturer_name: str

    @property
    def to_do(self) -> str:
        """What somebody does about it; nothing about an open one."""
        return what_to_do(self.state)


@dataclass(frozen=True)
class CaseUse:
    """What one case holds of an order, and since when."""

    case_id: int
    reserved_minor: int
    drawn_minor: int
    since: datetime


@dataclass(frozen=True)
class OrderNamed:
    """The number and terms of an order that stands behind what a case is billed."""

    number: str
    terms_days: int


def orders(session: Session, actor: Actor, *, now: datetime) -> list[OrderRow]:
    """The orders the actor's company gives or was given, the latest first."""
    return _rows(session, _mine(actor).order_by(PurchaseOrder.id.desc()).limit(MOST), now)


def order(session: Session, actor: Actor, order_id: int, *, now: datetime) -> OrderRow:
    """One order. *Raises*: NotFound."""
    found = _rows(session, _mine(actor).where(PurchaseOrder.id == order_id), now)
    if not found:
        raise NotFound
    return found[0]


def uses_of(session: Session, order_id: int) -> list[CaseUse]:
    """What each case holds of an order, as far as the scope may read it, the latest first."""
    rows = session.execute(
        select(
            PurchaseOrderMovement.case_id,
            func.sum(PurchaseOrderMovement.reserved_minor),
            func.sum(PurchaseOrderMovement.drawn_minor),
            func.min(PurchaseOrderMovement.moved_at),
        )
        .where(PurchaseOrderMovement.purchase_order_id == order_id)
        .group_by(PurchaseOrderMovement.case_id)
        .order_by(func.min(PurchaseOrderMovement.moved_at).desc())
        .limit(MOST)
    )
    return [CaseUse(row[0], int(row[1]), int(row[2]), row[3]) for row in rows]


def orders_behind(
    session: Session, wanted: Iterable[tuple[int, int]]
) -> Mapping[tuple[int, int], Sequence[OrderNamed]]:
    """The orders that cases draw on, by (case, payer), in the order they were taken. A job's."""
    pairs = set(wanted)
    # One array, however many cases a month has.
    case_ids = cast(sorted({case_id for case_id, _ in pairs}), ARRAY(BigInteger))
    rows = session.execute(
        select(Authorization.case_id, Authorization.payer_id, PurchaseOrder.number, PurchaseOrder.terms_days)
        .join(PurchaseOrderMovement, PurchaseOrderMovement.authorization_id == Authorization.id)
        .join(PurchaseOrder, PurchaseOrder.id == PurchaseOrderMovement.purchase_order_id)
        .where(Authorization.case_id == any_(case_ids))
        .group_by(Authorization.case_id, Authorization.payer_id, PurchaseOrder.id)
        .having(func.sum(PurchaseOrderMovement.drawn_minor) > 0)
        .order_by(PurchaseOrder.id)
    )
    found: dict[tuple[int, int], list[OrderNamed]] = {}
    for case_id, payer_id, number, terms_days in rows:
        if (case_id, payer_id) in pairs:
            found.setdefault((case_id, payer_id), []).append(OrderNamed(number, terms_days))
    return found


def _mine(actor: Actor) -> Select[PurchaseOrder, PurchaseOrderBalance, PurchaseOrderWithdrawal]:
    own = PurchaseOrder.manufacturer_id if actor.side is Side.MANUFACTURER else PurchaseOrder.payer_id
    return (
        select(PurchaseOrder, PurchaseOrderBalance, PurchaseOrderWithdrawal)
        .join(PurchaseOrderBalance, PurchaseOrderBalance.purchase_order_id == PurchaseOrder.id)
        .outerjoin(PurchaseOrderWithdrawal, PurchaseOrderWithdrawal.purchase_order_id == PurchaseOrder.id)
        .where(own == actor.organisation_id)
    )


def _rows(
    session: Session,
    statement: Select[PurchaseOrder, PurchaseOrderBalance, PurchaseOrderWithdrawal],
    now: datetime,
) -> list[OrderRow]:
    found = session.execute(statement).all()
    # An order's last day is one of the manufacturer it is for, whoever reads it.
    days = {each: contracts.maker_day(session, each, now) for each in {row[0].manufacturer_id for row in found}}
    names = organisation_names(session, [each for row in found for each in (row[0].payer_id, row[0].manufacturer_id)])
    return [
        OrderRow(
            order,
            balance,
            gone,
            _state(order, balance, withdrawn=gone is not None, on=days[order.manufacturer_id]),
            names.get(order.payer_id, ""),
            names.get(order.manufacturer_id, ""),
        )
        for order, balance, gone in found
    ]


def _state(order: PurchaseOrder, balance: PurchaseOrderBalance, *, withdrawn: bool, on: date) -> OrderState:
    return state_of(OrderFacts(order.id, balance.free_minor, order.expires_on, withdrawn=withdrawn), on)
