"""Promotion codes: made and withdrawn by the manufacturer, used within an order, given back when it is not paid.

Invariants: a code is used at most as often as it says, whoever asks at the same time: whether it may be used is asked
of the database, which keeps the code for the order that asked first. A use is given back once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.contracts import queries as contracts
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.rows import insert_once
from portal.selling.models import PromotionCode, PromotionCodeEnd, PromotionUse, PromotionUseEnd, Purchase
from portal.selling.rules import Discount, Item, Promotion, catalogue, discount_of, goods_of
from portal.selling.rules.promotions import PROBLEMS, problems_of, refused


@dataclass(frozen=True)
class Promoted:
    """A code that may be used for an order, and what it takes off."""

    code: PromotionCode
    discount: Discount


def may_promote(actor: Actor) -> bool:
    """Who gives away the manufacturer's money in its name."""
    return actor.side is Side.MANUFACTURER and actor.has(Role.SUPPORT_LEAD, Role.FINANCE)


def make_code(session: Session, actor: Actor, wanted: Promotion, *, now: datetime) -> PromotionCode:
    """Make a code of the actor's manufacturer. *Raises*: NotAllowed, Invalid with the fields that are wrong."""
    if not may_promote(actor):
        raise NotAllowed("Promotion codes are made by the factory's finance and support leads.")
    in_force = contracts.policy_in_force(session, actor.organisation_id, now)
    sold = {goods_of(item) for item in catalogue(in_force.policy)}
    problems = problems_of(wanted, known_goods=sold, now=now)
    if problems:
        raise Invalid("The code cannot be made like this.", problems)
    row = PromotionCode(
        manufacturer_id=actor.organisation_id,
        code=wanted.code,
        percent=wanted.percent,
        amount_minor=wanted.amount_minor,
        currency=in_force.policy.currency,
        goods={"only": list(wanted.goods)},
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        most_uses=wanted.most_uses,
        once_per_customer=wanted.once_per_customer,
        made_by=actor.person_id,
        made_at=now,
    )
    made = insert_once(session, row, unique=["manufacturer_id", "code"])
    if made is None:
        raise Invalid("The code cannot be made like this.", {"code": "There was this code already. Choose another."})
    audit.record(session, actor, "make_promotion_code", "promotion_code", made.id, details={"code": made.code}, now=now)
    return made


def withdraw_code(session: Session, actor: Actor, code_id: int, *, now: datetime) -> None:
    """Nobody uses a code any more; orders that did keep their price. *Raises*: NotAllowed, NotFound, Conflict."""
    code = session.get(PromotionCode, code_id)
    if code is None or code.manufacturer_id != actor.organisation_id:
        raise NotFound()
    if not may_promote(actor):
        raise NotAllowed("Promotion codes are withdrawn by the factory's finance and support leads.")
    end = PromotionCodeEnd(
        promotion_code_id=code.id, manufacturer_id=code.manufacturer_id, ended_by=actor.person_id, ended_at=now
    )
    if insert_once(session, end, unique=["promotion_code_id"]) is None:
        raise Conflict("This code was withdrawn before.")
    audit.record(session, actor, "withdraw_promotion_code", "promotion_code", code.id, now=now)


def promotion_for(
    session: Session,
    customer_id: int,
    typed: str,
    item: Item,
    total_minor: int,
    *,
    maker_id: int,
    now: datetime,
    sentences: Mapping[str, str] = PROBLEMS,
) -> Promoted | None:
    """What a typed code takes off, kept for the customer until the transaction ends; None where none was typed.

    *Raises*: Invalid at the field ``promotion``, in these ``sentences``.
    """
    if not typed.strip():
        return None
    found = text("SELECT * FROM find_promotion_code(:maker, :typed)").bindparams(maker=maker_id, typed=typed)
    code = session.scalars(select(PromotionCode).from_statement(found)).one_or_none()
    if code is None:
        raise refused("unknown", sentences)
    discount = discount_of(promotion_said(code), item, total_minor, now, sentences=sentences)
    asked = text("SELECT promotion_problem(:code, :customer, :at)")
    problem = session.scalar(asked, {"code": code.id, "customer": customer_id, "at": now})
    if problem:
        raise refused(problem, sentences)
    return Promoted(code, discount)


def promotion_said(code: PromotionCode) -> Promotion:
    """What a stored code says."""
    return Promotion(
        code=code.code,
        percent=code.percent,
        amount_minor=code.amount_minor,
        currency=code.currency,
        goods=tuple(code.goods["only"]),
        starts_at=code.starts_at,
        ends_at=code.ends_at,
        most_uses=code.most_uses,
        once_per_customer=code.once_per_customer,
    )


def use_promotion(session: Session, promoted: Promoted, purchase: Purchase, *, now: datetime) -> None:
    """Keep that an order was made with a code."""
    use = PromotionUse(
        promotion_code_id=promoted.code.id,
        purchase_id=purchase.id,
        manufacturer_id=purchase.manufacturer_id,
        integrator_id=purchase.integrator_id,
        customer_id=purchase.customer_id,
        code=promoted.code.code,
        currency=purchase.currency,
        list_minor=purchase.price_minor,
        discount_minor=promoted.discount.minor,
        words=promoted.discount.words,
        used_at=now,
    )
    session.add(use)
    session.flush()


def promotion_of(session: Session, purchase: Purchase) -> str:
    """The code that an order was made with; empty without one."""
    return session.scalar(select(PromotionUse.code).where(PromotionUse.purchase_id == purchase.id)) or ""


def give_back_use(session: Session, purchase: Purchase, *, now: datetime) -> None:
    """An order that was never paid uses no code; a job's. Again is harmless."""
    use = session.scalars(select(PromotionUse).where(PromotionUse.purchase_id == purchase.id)).one_or_none()
    if use is None:
        return
    end = PromotionUseEnd(
        use_id=use.id,
        manufacturer_id=use.manufacturer_id,
        integrator_id=use.integrator_id,
        customer_id=use.customer_id,
        ended_at=now,
    )
    insert_once(session, end, unique=["use_id"])
