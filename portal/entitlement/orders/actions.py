"""The verbs of purchase orders: enter, withdraw; take a case's yes from one, settle what its bill leaves.

The payer's people enter orders; the manufacturer's finance does with the payer's document. Whatever moves a balance
locks its row first, so two cases never take the same money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.contracts import queries as contracts
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor
from portal.entitlement.actions.authorization import Yes, give_yes
from portal.entitlement.models import Authorization, AuthorizationBalance, AuthorizationRequest
from portal.entitlement.orders.models import (
    PurchaseOrder,
    PurchaseOrderBalance,
    PurchaseOrderMovement,
    PurchaseOrderWithdrawal,
)
from portal.entitlement.orders.rules import Held, OrderFacts, check_order, order_for, settled
from portal.entitlement.queries import CaseParts, RequestState
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.rows import add_or_refuse
from portal.zones import local_day

# What a yes says that comes from an order.
BASIS = "purchase_order"


@dataclass(frozen=True)
class OrderDocument:
    """The payer's paper as a stored file."""

    storage_key: str
    sha256: str
    file_name: str


@dataclass(frozen=True)
class NewOrder:
    """What somebody reads off an order."""

    manufacturer_id: int
    payer_id: int
    number: str
    currency: str
    amount_minor: int
    expires_on: date | None = None
    terms_days: int = 30
    payable_email: str = ""
    payable_address: str = ""
    document: OrderDocument | None = None


def may_enter_orders(actor: Actor) -> bool:
    """The payer's buyers and finance people enter its orders; the manufacturer's finance does for it."""
    if actor.side is Side.MANUFACTURER:
        return actor.has(Role.FINANCE)
    return actor.has(Role.BUYER, Role.FINANCE, Role.SERVICE_MANAGER)


def enter_order(session: Session, actor: Actor, new: NewOrder, *, now: datetime) -> PurchaseOrder:
    """Enter an order; cases that wait for the payer's yes take it from there by job.

    *Raises*: NotAllowed for another company's order; Invalid at the field, also for a number that is entered.
    """
    if not may_enter_orders(actor) or actor.organisation_id not in (new.payer_id, new.manufacturer_id):
        raise NotAllowed("Orders are entered by the payer's buyers, or by the manufacturer's finance.")
    on = contracts.maker_day(session, new.manufacturer_id, now)
    check_order(new.number, new.amount_minor, new.expires_on, new.terms_days, on=on)
    document = new.document
    if document is None and actor.organisation_id != new.payer_id:
        raise Invalid("Attach the payer's order.", {"document": "Attach the order that the payer has sent."})
    order = PurchaseOrder(
        manufacturer_id=new.manufacturer_id,
        payer_id=new.payer_id,
        number=new.number,
        currency=new.currency,
        amount_minor=new.amount_minor,
        expires_on=new.expires_on,
        terms_days=new.terms_days,
        payable_email=new.payable_email.strip(),
        payable_address=new.payable_address.strip(),
        storage_key=document.storage_key if document else None,
        sha256=document.sha256 if document else None,
        file_name=document.file_name if document else None,
        organisation_id=actor.organisation_id,
        entered_by=actor.person_id,
        entered_name=actor.display_name,
        entered_at=now,
    )
    sentence = "An order of this number is entered already."
    add_or_refuse(session, order, Invalid(sentence, {"number": sentence}))
    session.add(
        PurchaseOrderBalance(
            purchase_order_id=order.id,
            manufacturer_id=order.manufacturer_id,
            payer_id=order.payer_id,
            amount_minor=order.amount_minor,
            free_minor=order.amount_minor,
            reserved_minor=0,
            drawn_minor=0,
        )
    )
    audit.record(session, actor, "enter_purchase_order", "purchase_order", order.id, now=now)
    enqueue(session, "answer_by_orders", payer_id=order.payer_id)
    return order


def withdraw_order(
    session: Session, actor: Actor, order: PurchaseOrder, *, reason: str, now: datetime
) -> PurchaseOrderWithdrawal:
    """The payer takes an order back, for cases to come. *Raises*: NotAllowed, Invalid, Conflict."""
    if actor.organisation_id != order.payer_id or not may_enter_orders(actor):
        raise NotAllowed("An order is withdrawn by its payer.")
    if not reason.strip():
        raise Invalid("Say why.", {"reason": "Say why the order is withdrawn."})
    withdrawn = PurchaseOrderWithdrawal(
        purchase_order_id=order.id,
        manufacturer_id=order.manufacturer_id,
        payer_id=order.payer_id,
        reason=reason.strip(),
        withdrawn_by=actor.person_id,
        withdrawn_at=now,
    )
    add_or_refuse(session, withdrawn, Conflict("This order is withdrawn already."))
    audit.record(session, actor, "withdraw_purchase_order", "purchase_order", order.id, now=now)
    return withdrawn


def take_from_order(
    session: Session, case: CaseParts, state: RequestState, *, policy: Policy, now: datetime
) -> Authorization | None:
    """The yes that an order of the payer gives to an open request, up to what is left of it; None where none can.

    What was begun at factory risk is ratified by a person and never by paper.
    """
    request = state.request
    if not state.is_open or state.emergency is not None or not request.nte_minor:
        return None
    found = order_for(
        _locked_orders(session, request),
        wanted_minor=request.nte_minor,
        least_minor=max(request.least_cost_minor, amount_minor(policy.authorization.least_nte, policy.currency)),
        on=local_day(policy.zone, now),
    )
    if found is None:
        return None
    order = session.get_one(PurchaseOrder, found[0])
    yes = Yes(found[1], BASIS, None, f"Purchase order {order.number}", now, now)
    given = give_yes(session, request, yes, now)
    _move(session, case, (order.id, given), Held(found[1], 0), now)
    return given


def settle_orders(session: Session, case: CaseParts, *, is_over: bool, now: datetime) -> None:
    """Set what a case holds of orders to what its bill leaves of its yeses. Again is harmless."""
    rows = session.execute(
        select(Authorization, AuthorizationBalance.left_minor)
        .join(AuthorizationBalance, AuthorizationBalance.authorization_id == Authorization.id)
        .where(Authorization.case_id == case.id, Authorization.basis == BASIS)
        .order_by(Authorization.id)
    ).all()
    for given, left_minor in rows:
        order_id, held = _held(session, given.id)
        balance = _locked(session, order_id)
        wanted = settled(
            held,
            authorized_minor=given.nte_minor,
            left_minor=left_minor,
            is_over=is_over,
            free_minor=balance.free_minor,
        )
        change = Held(wanted.reserved_minor - held.reserved_minor, wanted.drawn_minor - held.drawn_minor)
        if change != Held(0, 0):
            _move(session, case, (order_id, given), change, now)


def _locked_orders(session: Session, request: AuthorizationRequest) -> list[OrderFacts]:
    """The payer's orders in the request's currency, locked in order of their ids."""
    statement = (
        select(PurchaseOrderBalance, PurchaseOrder.expires_on, PurchaseOrderWithdrawal.id)
        .join(PurchaseOrder, PurchaseOrder.id == PurchaseOrderBalance.purchase_order_id)
        .outerjoin(PurchaseOrderWithdrawal, PurchaseOrderWithdrawal.purchase_order_id == PurchaseOrder.id)
        .where(
            PurchaseOrder.payer_id == request.payer_id,
            PurchaseOrder.manufacturer_id == request.manufacturer_id,
            PurchaseOrder.currency == request.currency,
        )
        .order_by(PurchaseOrder.id)
        .with_for_update(of=PurchaseOrderBalance)
        .execution_options(populate_existing=True)
    )
    return [
        OrderFacts(balance.purchase_order_id, balance.free_minor, expires_on, withdrawn=gone is not None)
        for balance, expires_on, gone in session.execute(statement)
    ]


def _locked(session: Session, order_id: int) -> PurchaseOrderBalance:
    return session.get_one(PurchaseOrderBalance, order_id, with_for_update=True, populate_existing=True)


def _held(session: Session, authorization_id: int) -> tuple[int, Held]:
    """The order behind a yes, and what the case holds of it."""
    row = session.execute(
        select(
            PurchaseOrderMovement.purchase_order_id,
            func.sum(PurchaseOrderMovement.reserved_minor),
            func.sum(PurchaseOrderMovement.drawn_minor),
        )
        .where(PurchaseOrderMovement.authorization_id == authorization_id)
        .group_by(PurchaseOrderMovement.purchase_order_id)
    ).one_or_none()
    if row is None:
        raise NotFound("No order stands behind this yes.")
    return row[0], Held(int(row[1]), int(row[2]))


def _move(session: Session, case: CaseParts, taken: tuple[int, Authorization], change: Held, now: datetime) -> None:
    """Change what a case holds of an order, by the yes it was taken with."""
    order_id, given = taken
    session.add(
        PurchaseOrderMovement(
            case_id=case.id,
            manufacturer_id=case.manufacturer_id,
            integrator_id=case.integrator_id,
            customer_id=case.customer_id,
            audience=given.audience,
            purchase_order_id=order_id,
            authorization_id=given.id,
            reserved_minor=change.reserved_minor,
            drawn_minor=change.drawn_minor,
            moved_at=now,
        )
    )
    session.execute(
        update(PurchaseOrderBalance)
        .where(PurchaseOrderBalance.purchase_order_id == order_id)
        .values(
            free_minor=PurchaseOrderBalance.free_minor - change.reserved_minor - change.drawn_minor,
            reserved_minor=PurchaseOrderBalance.reserved_minor + change.reserved_minor,
            drawn_minor=PurchaseOrderBalance.drawn_minor + change.drawn_minor,
        )
        .execution_options(synchronize_session=False)
    )
    session.flush()
