"""What a purchase order can still give, what a case takes of it, and what to do when it can give no more. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from portal.errors import Invalid

LONGEST_NUMBER = 60
LONGEST_TERMS_DAYS = 180


class OrderState(StrEnum):
    """What an order can be used for today."""

    OPEN = "open"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class OrderFacts:
    """An order with what nobody has taken of it; the day of its expiry is its last."""

    order_id: int
    free_minor: int
    expires_on: date | None = None
    withdrawn: bool = False


@dataclass(frozen=True)
class Held:
    """What a case holds of an order: reserved and not billed, and drawn by its bill."""

    reserved_minor: int
    drawn_minor: int


def state_of(order: OrderFacts, on: date) -> OrderState:
    """What the order can be used for on a day."""
    if order.withdrawn:
        return OrderState.WITHDRAWN
    if order.expires_on is not None and on > order.expires_on:
        return OrderState.EXPIRED
    return OrderState.OPEN if order.free_minor > 0 else OrderState.EXHAUSTED


def what_to_do(state: OrderState) -> str:
    """What somebody does about an order in a state; nothing about an open one."""
    return {
        OrderState.OPEN: "",
        OrderState.EXPIRED: "It has expired. Enter a new order, or this one amended under a number of its own: cases "
        "then take their yes from it by themselves. What cases hold of this one is still billed to it.",
        OrderState.EXHAUSTED: "Nothing is left of it. Enter a further order: cases that wait for a yes take it from "
        "there. Until then each new case asks for a yes of its own.",
        OrderState.WITHDRAWN: "It was withdrawn. What cases held of it by then is still billed to it.",
    }[state]


def order_for(orders: Iterable[OrderFacts], *, wanted_minor: int, least_minor: int, on: date) -> tuple[int, int] | None:
    """The order a case takes its yes from, and how much of it; None where none has enough.

    The one that expires first goes first, then the older one. Where less is left than wanted, all of it is taken as
    long as it pays for the least that is sensible.
    """
    usable = [order for order in orders if state_of(order, on) is OrderState.OPEN]
    for order in sorted(usable, key=lambda each: (each.expires_on or date.max, each.order_id)):
        taken = min(wanted_minor, order.free_minor)
        if taken >= max(least_minor, 1):
            return order.order_id, taken
    return None


def settled(held: Held, *, authorized_minor: int, left_minor: int, is_over: bool, free_minor: int) -> Held:
    """What a case holds of its order once billed so far: ``left_minor`` of its yes is not billed.

    A case that is over keeps what was billed only. Billed again for more than it holds, it takes what is still free and
    never more: the rest of its bill stands beside the order.
    """
    room = held.reserved_minor + held.drawn_minor + free_minor
    drawn = min(authorized_minor - left_minor, room)
    reserved = 0 if is_over else min(left_minor, room - drawn)
    return Held(reserved, drawn)


def check_order(number: str, amount_minor: int, expires_on: date | None, terms_days: int, *, on: date) -> None:
    """Refuse an order that could not be used. *Raises*: Invalid with a sentence for each field."""
    problems = {}
    if not 0 < len(number) <= LONGEST_NUMBER or not number.isprintable():
        problems["number"] = f"Write the number as it stands on the order, up to {LONGEST_NUMBER} characters."
    if amount_minor <= 0:
        problems["amount"] = "An order promises an amount above zero."
    if expires_on is not None and expires_on < on:
        problems["expires_on"] = "This order has expired already: enter one that can still be used."
    if not 0 <= terms_days <= LONGEST_TERMS_DAYS:
        problems["terms_days"] = f"Payment terms are 0 to {LONGEST_TERMS_DAYS} days."
    if problems:
        raise Invalid("This order cannot be taken as it is.", problems)
