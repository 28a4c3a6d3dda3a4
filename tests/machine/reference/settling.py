"""Months are closed; what becomes of a net; transfers and what is owed."""

from __future__ import annotations

from tests.machine.reference.dividing import card_fee
from tests.machine.reference.facts import FACTORY, HOLDS, INTEGRATOR, MINIMUM_PAYOUT, NOBODY, Plan, Statement, Transfer
from tests.machine.reference.model import Model

CONTESTED, ON_HOLD = "contested", "on hold"


def close(model: Model) -> None:
    """What was held comes back, and what is owed is netted; what waits for the account comes back only for that."""
    owed = owes(model)
    for statement in model.statements:
        for line, why in list(statement.held.items()):
            if statement.contested[line] if why == CONTESTED else statement.cases[line] not in model.held_cases:
                del statement.held[line]
                model.move(statement.lines[line], "held", "payable", statement.party, statement.party)
        model.move(statement.kept_back, "held", "payable", statement.party, statement.party)
        statement.kept_back = 0
        if not on_hold_since(model, statement) and (statement.went_late or owed):
            model.move(statement.waits, "held", "payable", statement.party, statement.party)
            statement.waits = 0
    for debt in model.debts:
        part = min(max(model.payable(INTEGRATOR), 0), debt.rest)
        debt.rest -= part
        model.move(part, "payable", "receivable_party", INTEGRATOR, INTEGRATOR)


def owes(model: Model) -> int:
    """What the integrator has to return."""
    return sum(debt.rest for debt in model.debts) + max(-model.payable(INTEGRATOR), 0)


def on_hold_since(model: Model, statement: Statement) -> int:
    """What of a statement is of cases that were held after it was disposed of."""
    lines = (line for line, case in statement.cases.items() if case in model.held_cases)
    return sum(max(statement.lines[line], 0) for line in lines if line not in statement.named)


def go_late(model: Model) -> None:
    """The account is ready: what waited for it is transferred, but for what is on hold or owed."""
    for statement in model.disposed:
        goes = statement.waits - on_hold_since(model, statement) - owes(model)
        if not statement.went_late and statement.party not in model.held_parties and goes >= MINIMUM_PAYOUT:
            statement.waits -= goes
            statement.went_late = True
            model.move(goes, "held", "payable_in_transfer", statement.party, statement.party)
            model.queue.append(goes)
    send(model)


def undisposed(model: Model, party: str) -> int:
    """What stands on statements of which nothing has become yet."""
    return sum(one.net for one in model.statements if one.party == party and not one.disposed)


def plan(model: Model, statement: Statement) -> Plan:
    """What becomes of a statement: some lines are held, the rest is paid, carried, kept, taken back or invoiced."""
    held = {line: ON_HOLD for line, case in statement.cases.items() if case in model.held_cases}
    held |= {line: CONTESTED for line, end in statement.contested.items() if end in HOLDS}
    held = {line: why for line, why in held.items() if statement.lines[line]}
    rest = statement.net - sum(statement.lines[line] for line in held)
    return Plan(held, [(_rest_becomes(model, statement.party, rest), rest)] if rest else [])


def _rest_becomes(model: Model, party: str, rest: int) -> str:
    if rest > 0 and party in model.held_parties:
        return "kept back from the party"
    if party == FACTORY:
        return "retained"
    if abs(rest) < MINIMUM_PAYOUT:
        return "carried"
    if rest > 0:
        return "kept back" if model.is_known_restricted else "transferred"
    holds = any(transfer.amount - transfer.back >= -rest for transfer in model.transfers)
    return "transferred" if holds else "invoiced"


def dispose(model: Model, statement: Statement) -> None:
    """Carry out what was approved."""
    statement.disposed = True
    party, plan = statement.party, statement.prepared
    assert plan is not None
    statement.held = dict(plan.held)
    statement.named = set(plan.held)
    model.disposed.append(statement)
    model.move(sum(statement.lines[line] for line in plan.held), "payable", "held", party, party)
    for kind, minor in plan.parts:
        if kind == "kept back":
            statement.waits = minor
            model.move(minor, "payable", "held", party, party)
        elif kind == "kept back from the party":
            statement.kept_back = minor
            model.move(minor, "payable", "held", party, party)
        elif kind == "retained":
            model.move(minor, "payable", "retained", party, party)
        elif kind == "transferred" and minor > 0:
            model.move(minor, "payable", "payable_in_transfer", party, party)
            model.queue.append(minor)
        elif kind == "transferred":
            transfer = next(one for one in reversed(model.transfers) if one.amount - one.back >= -minor)
            transfer.back -= minor
            model.move(-minor, "stripe_clearing", "payable", NOBODY, party)
        elif kind == "invoiced":
            model.move(-minor, "receivable_party", "payable", party, party)
            model.party_invoices.append(-minor)
    send(model)


def send(model: Model) -> None:
    """Transfers that wait leave, the oldest first, where the account may receive them."""
    while model.queue and not model.is_restricted:
        minor = model.queue.pop(0)
        model.transfers.append(Transfer(minor))
        model.move(minor, "payable_in_transfer", "stripe_clearing", INTEGRATOR)


def pay_net(model: Model) -> int:
    """The integrator pays the oldest invoice of a net that it owes, by card."""
    minor = model.party_invoices.pop(0)
    model.move(minor - card_fee(minor), "stripe_clearing", "receivable_party", NOBODY, INTEGRATOR)
    model.move(card_fee(minor), "fees", "receivable_party", NOBODY, INTEGRATOR)
    return minor
