"""Packs are sold, work is billed and corrected, hours expire."""

from __future__ import annotations

from fractions import Fraction

from tests.machine.reference.dividing import by_ranking, by_remainder
from tests.machine.reference.facts import (
    BREAKAGE,
    CUSTOMER,
    HOUR,
    INTEGRATOR,
    NOBODY,
    OPERATOR_CAP,
    PARTIES,
    PER_HOUR,
    Case,
    Pack,
    Use,
)
from tests.machine.reference.model import Model, bills
from tests.machine.reference.paying import apply, fund_connected


def fund(model: Model, amount: int) -> None:
    """The operator tops its Stripe balance up."""
    model.move(amount, "stripe_clearing", "bank")


def buy(model: Model, pack: Pack) -> None:
    """A pack is sold, paid at once or with the next invoice."""
    model.packs.append(pack)
    paid = ("receivable_unbilled", CUSTOMER) if pack.on_invoice else ("bank", NOBODY)
    model.move(pack.price, paid[0], "deferred_revenue", paid[1], CUSTOMER)


def usable(model: Model, now: float) -> list[Pack]:
    """The packs of which something is left."""
    return [pack for pack in model.packs if pack.left and pack.ends > now]


def bill(model: Model, case: Case) -> None:
    """Hours that were bought first, the oldest first; the rest is owed."""
    rest = case.seconds
    case.uses = []
    for pack in model.packs:
        seconds = min(rest, pack.left) if pack.since <= case.started < pack.ends else 0
        if seconds:
            rest -= seconds
            case.uses.append(_use(model, case, pack, seconds))
    case.amount = rest * PER_HOUR // HOUR
    case.shares, case.applied = _time_shares(case), [0, 0, 0]
    _accrue(model, case, 1)
    case.to_charge = case.amount


def _use(model: Model, case: Case, pack: Pack, seconds: int) -> Use:
    pack.drawn += seconds
    minor = max(by_ranking(pack.price, [pack.drawn, pack.seconds - pack.drawn])[0] - pack.used, 0)
    pack.used += minor
    weights = [9_700, 0, 300] if case.worker == INTEGRATOR else [1_200, 8_500, 300]
    parts = by_remainder(minor, weights) if minor else [0, 0, 0]
    for party, part in zip(PARTIES, parts, strict=True):
        model.move(part, "deferred_revenue", "payable", CUSTOMER, party)
    return Use(pack, seconds, minor, parts)


def _accrue(model: Model, case: Case, sign: int) -> None:
    for party, part in zip(PARTIES, case.shares, strict=True):
        model.move(sign * part, "receivable_unbilled", "payable_accrued", CUSTOMER, party)


def correct(model: Model, case: Case, seconds: int) -> None:
    """What was billed is taken back and billed again."""
    for use in case.uses:
        use.pack.drawn -= use.seconds
        use.pack.used -= use.minor
        for party, part in zip(PARTIES, use.parts, strict=True):
            model.move(-part, "deferred_revenue", "payable", CUSTOMER, party)
    apply(model, case, [0, 0, 0])
    _accrue(model, case, -1)
    if case.charged:
        case.to_credit += case.charged
        case.charged = 0
    case.seconds = seconds
    bill(model, case)
    fund_connected(model, [invoice for invoice in model.invoices if bills(invoice, case)], needs_cash=True)


def expire_ended(model: Model, now: float) -> None:
    """What nobody used of packs that have ended is earned."""
    for pack in model.packs:
        if not pack.expired and pack.ends <= now:
            _expire(model, pack)


def _expire(model: Model, pack: Pack) -> None:
    """The last cent with it."""
    pack.expired = True
    rest = pack.price - pack.used
    if pack.drawn == pack.seconds or not rest:
        return
    for party, part in zip(PARTIES, by_remainder(rest, BREAKAGE), strict=True):
        model.move(part, "deferred_revenue", "payable", CUSTOMER, party)


def correctable(model: Model) -> list[Case]:
    """Cases that no expired pack serves, or would serve now, and whose invoices nobody got anything back of.

    What their expiry earned would be taken back first, which the reference does not know.
    """
    expired = [pack for pack in model.packs if pack.expired]
    return [
        case
        for case in model.cases
        if not any(pack.since <= case.started < pack.ends for pack in expired) and not _is_adjusted(model, case)
    ]


def _is_adjusted(model: Model, case: Case) -> bool:
    """Whether something was taken off an invoice of the case, or its bank has its payment."""
    return any(
        any(invoice.reduced) or any(receipt.refunded or receipt.dispute for receipt in invoice.receipts)
        for invoice in model.invoices
        if bills(invoice, case)
    )


def _time_shares(case: Case) -> list[int]:
    """Operator 3 % up to its cap, seller 7 % and what the cap left, 70 % who worked, 20 % who resolved."""
    if not case.amount:
        return [0, 0, 0]
    operator = min(Fraction(case.amount * 3, 100), Fraction(OPERATOR_CAP))
    worked, solved = Fraction(case.amount * 70, 100), Fraction(case.amount * 20, 100)
    integrator = solved * case.integrator_bp / 10_000 + (worked if case.worker == INTEGRATOR else 0)
    return by_remainder(case.amount, [integrator, case.amount - operator - integrator, operator])
