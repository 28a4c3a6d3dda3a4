"""What an adjustment does next, by what its rows say has been done: pure.

A refund takes the parties' shares back and pays the payer, in the order that was signed; a credit asks Stripe first,
because an invoice may be paid meanwhile, and takes the shares then. What cannot be completed gives everything back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

REVERSAL_FIRST, REFUND_FIRST = "reversal_first", "refund_first"
DONE, FAILED, DECLINED = "done", "failed", "declined"


class Step(StrEnum):
    """One step, or what is waited for."""

    WAIT_FOR_DECISION = "wait_for_decision"
    WAIT_FOR_CONSENT = "wait_for_consent"
    TAKE_SHARES = "take_shares"
    WAIT_FOR_REVERSALS = "wait_for_reversals"
    PAY = "pay"
    WAIT_FOR_STRIPE = "wait_for_stripe"
    GIVE_BACK = "give_back"
    END_DONE = "end_done"
    END_FAILED = "end_failed"
    END_DECLINED = "end_declined"
    NOTHING = "nothing"


WAITS = frozenset({Step.WAIT_FOR_DECISION, Step.WAIT_FOR_CONSENT, Step.WAIT_FOR_REVERSALS, Step.WAIT_FOR_STRIPE})


@dataclass(frozen=True)
class Facts:
    """What is known of an adjustment.

    ``decision`` and ``consent`` are None while somebody is asked, ``yes`` where nobody has to be. ``paying`` is what
    became of the money: ``none`` yet, ``under_way``, ``paid`` or ``refused``. ``blocked`` says that a chargeback holds
    the same payment.
    """

    is_refund: bool
    order: str
    decision: str | None = "yes"
    consent: str | None = "yes"
    taken: bool = False
    given_back: bool = False
    reversing: bool = False
    paying: str = "none"
    blocked: bool = False
    end: str | None = None


def next_step(facts: Facts) -> Step:
    """The one step that follows now."""
    if facts.end == DONE and facts.paying == "refused" and facts.is_refund:
        # The payer's bank sent the money back after everything was done.
        return Step.END_FAILED if facts.given_back else Step.GIVE_BACK
    if facts.end is not None:
        return Step.NOTHING
    asked = _asked(facts)
    if asked is not None:
        return asked
    if facts.paying == "refused" or (facts.blocked and facts.paying == "none"):
        return Step.GIVE_BACK if facts.taken and not facts.given_back else Step.END_FAILED
    if facts.is_refund and facts.order == REVERSAL_FIRST:
        return _taken_first(facts)
    return _paid_first(facts)


def _asked(facts: Facts) -> Step | None:
    """What somebody's answer comes to; None when everybody who is asked said yes."""
    if "no" in (facts.decision, facts.consent):
        return Step.END_DECLINED
    if facts.consent is None:
        return Step.WAIT_FOR_CONSENT
    return Step.WAIT_FOR_DECISION if facts.decision is None else None


def _taken_first(facts: Facts) -> Step:
    if not facts.taken:
        return Step.TAKE_SHARES
    if facts.reversing:
        return Step.WAIT_FOR_REVERSALS
    return _paid(facts)


def _paid_first(facts: Facts) -> Step:
    if facts.paying != "paid":
        return _paid(facts)
    if not facts.taken:
        return Step.TAKE_SHARES
    return Step.WAIT_FOR_REVERSALS if facts.reversing else Step.END_DONE


def _paid(facts: Facts) -> Step:
    if facts.paying == "none":
        return Step.PAY
    return Step.END_DONE if facts.paying == "paid" else Step.WAIT_FOR_STRIPE
