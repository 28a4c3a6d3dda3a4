"""Which steps a purchase has taken, from what payments know of its checkout; and how it stands, from its steps.

Invariants: a step is taken once and never undone; what is sold was paid, or is the integrator's to pay; what was paid
and all went back is returned, whatever it was before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """What became of a purchase."""

    PAYING = "paying"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    SOLD = "sold"
    UNSALEABLE = "unsaleable"
    LAPSED = "lapsed"
    ENDED = "ended"
    RETURNED = "returned"
    # Ended at Stripe within its minimum term, and what finance made of that: neither says how the purchase stands.
    LEFT_EARLY = "left_early"
    LET_GO = "let_go"


class State(StrEnum):
    """How a purchase stands, as people are told."""

    OPEN = "open"
    PAYING = "paying"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    ACTIVE = "active"
    UNSALEABLE = "unsaleable"
    LAPSED = "lapsed"
    ENDED = "ended"
    RETURNED = "returned"


# Of several steps the first here says how it stands.
_TELLING = (
    (Step.RETURNED, State.RETURNED),
    (Step.ENDED, State.ENDED),
    (Step.LAPSED, State.LAPSED),
    (Step.SOLD, State.ACTIVE),
    (Step.UNSALEABLE, State.UNSALEABLE),
    (Step.PAID, State.PAID),
    (Step.FAILED, State.FAILED),
    (Step.EXPIRED, State.EXPIRED),
    (Step.PAYING, State.PAYING),
)


@dataclass(frozen=True)
class CheckoutFacts:
    """What is known of a checkout: its session, its payment, and whether money arrived."""

    checkout: str = "open"
    payment: str = "unpaid"
    has_cash: bool = False
    debit_failed: bool = False


def payment_steps(facts: CheckoutFacts) -> tuple[Step, ...]:
    """The steps that paying has taken, in order; a later success follows a failure, money is money."""
    if facts.has_cash or facts.payment in ("paid", "no_payment_required"):
        return (Step.PAID,)
    if facts.checkout == "expired":
        return (Step.EXPIRED,)
    if facts.checkout != "complete":
        return ()
    return (Step.PAYING, Step.FAILED) if facts.debit_failed else (Step.PAYING,)


def state_of(steps: Collection[str]) -> State:
    """How a purchase with these steps stands."""
    for step, state in _TELLING:
        if step in steps:
            return state
    return State.OPEN
