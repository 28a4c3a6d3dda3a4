"""Whether a plan can be ended at once, and from which payments what goes back is taken: pure.

A plan ends at once only where its signed policy gives back what is left of a month, and its minimum term is over: the
days of that term are taken, and nothing of them goes back. Money goes back from the last payment of the term that runs
to its first, as its months are paid from the first on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from portal.errors import RuleBroken


@dataclass(frozen=True)
class Running:
    """A plan as it runs: what its policy says, by whose days it is ``today``, and what is on its way.

    ``is_recorded`` whether the month that runs, and those before it, are in the books; ``is_held`` where the payer's
    bank has its payment; ``is_returning`` where more of it is on its way back already than would be left.
    """

    name: str
    today: date
    gives_back: bool
    minimum_until: date | None = None
    is_ending: bool = False
    is_changing: bool = False
    is_recorded: bool = True
    is_held: bool = False
    is_returning: bool = False


def refusal(plan: Running) -> str:
    """Why a plan is not ended at once; empty where it can be."""
    if plan.is_ending:
        return "The plan is being ended already. Its page shows what goes back."
    if plan.is_changing:
        return "A change of the plan is on its way. Wait until it has begun."
    if not plan.gives_back:
        return f"{plan.name} gives nothing back of a month that is sold. End it with its period: until then it holds."
    if plan.minimum_until is not None and plan.today < plan.minimum_until:
        return f"The plan is taken until {plan.minimum_until}: nothing of what is paid until then goes back."
    if plan.is_held:
        return "The payer's bank has taken its payment back; nothing can go back of it until that is decided."
    if plan.is_returning:
        return "Money of this payment is on its way back already. Try again when that has ended."
    if not plan.is_recorded:
        return "The month that runs is still being recorded. Try again in some minutes."
    return ""


def taken_of_payments(total_minor: int, left_minor: Sequence[int]) -> tuple[int, ...]:
    """What of an amount each payment gives back, of what is left of each in their order. Sums to the amount.

    *Raises*: RuleBroken for more than is left of them together.
    """
    taken: list[int] = []
    for left in reversed(left_minor):
        taken.append(min(max(left, 0), total_minor - sum(taken)))
    if sum(taken) != total_minor:
        raise RuleBroken("This is more than is left of what was paid.")
    return tuple(reversed(taken))
