"""How the reference divides: its own small implementations of the two ways that the agreement knows."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def by_remainder(amount: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Hamilton: everybody's whole part, then a cent each to the largest remainders, the first of equals first."""
    whole = sum(weights, Fraction(0))
    exact = [amount * Fraction(weight) / whole for weight in weights]
    parts = [int(each) for each in exact]
    rest = [(parts[at] - exact[at], at) for at in range(len(exact))]
    for _, at in sorted(rest)[: amount - sum(parts)]:
        parts[at] += 1
    return parts


def by_ranking(amount: int, weights: Sequence[int]) -> list[int]:
    """Webster, one cent after the other from where nobody can have too much: the next goes to the best claim."""
    if not amount:
        return [0] * len(weights)
    whole = sum(weights)
    # No divisor method gives a party less than its quota by as many cents as there are parties.
    parts = [max(0, amount * weight // whole - len(weights)) for weight in weights]
    while sum(parts) < amount:
        claims = [(-Fraction(weight, 2 * parts[at] + 1), at) for at, weight in enumerate(weights)]
        parts[min(claims)[1]] += 1
    return parts


def card_fee(amount: int) -> int:
    """2.9 %, the half cent up, and 30 cents."""
    return (amount * 290 + 5_000) // 10_000 + 30
