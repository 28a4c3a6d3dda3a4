"""Amounts in minor units and their exact division.

Invariants: an amount is an integer of its currency's smallest unit, never a float; two currencies never meet in one
sum; every division hands out exactly what it was given, to the last unit, in a stated order of parties.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from math import lcm

from portal.errors import CurrencyMismatch, Invalid, RuleBroken

# ISO 4217, list one: codes in use by the number of digits after the decimal point.
_CODES_BY_DIGITS: dict[int, str] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE "
        "CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
        "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR "
        "MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK "
        "SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD "
        "XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS: dict[str, int] = {code: digits for digits, codes in _CODES_BY_DIGITS.items() for code in codes.split()}

# What payment processors take: amounts with three decimals end in a zero. In these they count other units than ISO 4217
# does. *Source*: docs.stripe.com/currencies#three-decimal, #zero-decimal and #special-cases (2026-11).
THREE_DECIMAL_STEP = 10
_COUNTED_OTHERWISE = frozenset(["ISK", "UGX", "MGA", "CLF", "UYW"])

# Fifteen digits before the point fit a bigint of minor units in every currency with up to three digits after it.
_AMOUNT = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]+))?")


def minor_digits(currency: str) -> int:
    """How many digits of an amount in ``currency`` stand after the decimal point.

    *Raises*: RuleBroken for a code that is not a currency. *Source*: ISO 4217, list one.
    """
    digits = _DIGITS.get(currency)
    if digits is None:
        raise RuleBroken(f"{currency!r} is not the three-letter code of a currency.")
    return digits


def currencies_of(*, digits: int) -> tuple[str, ...]:
    """The codes of the currencies with so many digits after the decimal point."""
    return tuple(_CODES_BY_DIGITS[digits].split())


def asked_step(currency: str) -> int:
    """Every amount that is asked of a payment processor is a multiple of this."""
    return THREE_DECIMAL_STEP if minor_digits(currency) == 3 else 1


def asked_part(amount_minor: int, currency: str) -> int:
    """As much of an amount as can be asked or paid: what is over, less than a step, stays where it is."""
    step = asked_step(currency)
    size = abs(amount_minor) // step * step
    return size if amount_minor >= 0 else -size


def asked_lines(amounts_minor: Sequence[int], currency: str) -> tuple[int, ...]:
    """The lines of a demand as they are asked: together the next amount that can be paid, never less than is owed.

    *Shape*: one per amount, each a multiple of the step and less than one step off; they sum to the amounts rounded up.
    """
    step = asked_step(currency)
    reached = [-(-total // step) * step for total in accumulate(amounts_minor, initial=0)]
    return tuple(after - before for before, after in pairwise(reached))


def check_asked(amount_minor: int, currency: str) -> None:
    """*Raises*: RuleBroken for what cannot be asked of a payment processor."""
    if currency in _COUNTED_OTHERWISE:
        raise RuleBroken(f"{currency} is not collected through Stripe here: it is counted in other units there.")
    if amount_minor % asked_step(currency):
        raise RuleBroken(f"An amount in {currency} ends in a zero: {Money(amount_minor, currency)} cannot be paid.")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency.

    *Units*: ``minor`` counts the currency's smallest units (cents for USD) and may be negative.
    *Raises*: RuleBroken when the amount is not a whole number or the currency is unknown; CurrencyMismatch when two
    currencies are added, subtracted or ordered (they are merely unequal under ``==``).
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise RuleBroken("An amount is a whole number of the currency's smallest units.")
        minor_digits(self.currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in ``currency``."""
        return cls(0, currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """The sum of ``amounts``; zero of ``currency`` when there are none. *Raises*: CurrencyMismatch."""
        return sum(amounts, cls.zero(currency))

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._minor_of(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._minor_of(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._minor_of(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._minor_of(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._minor_of(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._minor_of(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        return f"{plain_amount(self)} {self.currency}"

    def _minor_of(self, other: Money) -> int:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot stand in one sum.")
        return other.minor


def plain_amount(money: Money) -> str:
    """The amount as digits with a point, ``-12.50``; ``parse_amount`` reads it back unchanged."""
    digits = minor_digits(money.currency)
    sign = "-" if money.minor < 0 else ""
    whole, part = divmod(abs(money.minor), 10**digits)
    return f"{sign}{whole}.{part:0{digits}d}" if digits else f"{sign}{whole}"


def parse_amount(text: str, currency: str) -> Money:
    """The amount a person typed: digits, at most one point, no thousands separator, surrounding blanks ignored.

    Fewer digits after the point than the currency has are taken as written (``12.5`` is twelve and a half).

    *Raises*: Invalid when it reads otherwise or has more digits after the point than the currency;
    RuleBroken for an unknown currency.
    """
    digits = minor_digits(currency)
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise Invalid("Write an amount as digits with a point, for example 1250.00.")
    sign, whole, part = match.group(1), match.group(2), match.group(3) or ""
    if len(part) > digits:
        raise Invalid(
            f"An amount in {currency} has {digits} digits after the point."
            if digits
            else f"An amount in {currency} has no digits after a point."
        )
    minor = int(whole + part.ljust(digits, "0"))
    return Money(-minor if sign else minor, currency)


def round_half_up(value: Fraction) -> int:
    """The nearest whole number; a half goes away from zero, so that a reversal rounds like what it reverses."""
    nearest = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return -nearest if value < 0 else nearest


def allocate(amount_minor: int, weights: Sequence[int | Fraction]) -> tuple[int, ...]:
    """Divide an amount by weights: each party's whole quota, leftover units to the largest remainders.

    *Units*: minor units in and out; weights are relative, so basis points, minutes and fractions all serve.
    *Shape*: one share per weight, in the same order, summing exactly to ``amount_minor``; equal remainders are served
    in the order of the parties; a weight of zero gets nothing; a negative amount is shared as its positive, negated.
    *Raises*: RuleBroken when a weight is negative, or when there is an amount but no weight.
    *Source*: the method of Hamilton. It is not monotone in the amount: use ``allocate_cumulative`` for parts of a whole
    that come one after the other.
    """
    if amount_minor < 0:
        return tuple(-share for share in allocate(-amount_minor, weights))
    whole = _whole_weights(amount_minor, weights)
    if amount_minor == 0:
        return (0,) * len(whole)
    total = sum(whole)
    quotas = [divmod(amount_minor * weight, total) for weight in whole]
    shares = [quota for quota, _ in quotas]
    by_remainder = sorted(range(len(whole)), key=lambda party: (-quotas[party][1], party))
    for party in by_remainder[: amount_minor - sum(shares)]:
        shares[party] += 1
    return _summing_to(amount_minor, shares)


def allocate_cumulative(amount_minor: int, weights: Sequence[int | Fraction]) -> tuple[int, ...]:
    """Divide the amount reached so far, such that no party's share ever falls when the amount grows.

    *Units*, *Shape*, *Raises*: as ``allocate``; equal claims to the next unit go to the earliest party. The share of
    one step (a refund, a receipt of cash) is the difference of two calls, see ``step_shares``.
    *Source*: the divisor method of Webster (Sainte-Lague): unit k + 1 of a party ranks by weight / (2k + 1).
    """
    if amount_minor < 0:
        return tuple(-share for share in allocate_cumulative(-amount_minor, weights))
    whole = _whole_weights(amount_minor, weights)
    if amount_minor == 0:
        return (0,) * len(whole)
    total = sum(whole)
    parties = range(len(whole))
    # Quotas rounded with the half going down are a prefix of the ranking; at most one step per party is then missing
    # or too much, whatever the amount.
    shares = [-((total - 2 * amount_minor * weight) // (2 * total)) for weight in whole]
    for _ in range(amount_minor - sum(shares)):
        shares[max(parties, key=lambda party: (Fraction(whole[party], 2 * shares[party] + 1), -party))] += 1
    for _ in range(sum(shares) - amount_minor):
        holders = [party for party in parties if shares[party] > 0]
        shares[min(holders, key=lambda party: (Fraction(whole[party], 2 * shares[party] - 1), -party))] -= 1
    return _summing_to(amount_minor, shares)


def step_shares(before_minor: int, after_minor: int, weights: Sequence[int | Fraction]) -> tuple[int, ...]:
    """Each party's part of one step of a cumulative amount, from ``before_minor`` to ``after_minor``.

    With the original shares as weights this is a reversal: the steps of a full refund add up to the original shares,
    and no party ever gives back more than it had.

    *Shape*: one part per weight, summing to the step; all parts have the step's sign, or are zero.
    *Raises*: as ``allocate_cumulative``.
    """
    before = allocate_cumulative(before_minor, weights)
    after = allocate_cumulative(after_minor, weights)
    return tuple(late - early for early, late in zip(before, after, strict=True))


def _whole_weights(amount_minor: int, weights: Sequence[int | Fraction]) -> list[int]:
    """The weights as integers in the same proportion."""
    scale = lcm(*(weight.denominator for weight in weights))
    whole = [weight.numerator * (scale // weight.denominator) for weight in weights]
    if any(weight < 0 for weight in whole):
        raise RuleBroken("A share cannot have a negative weight.")
    if amount_minor and not any(whole):
        raise RuleBroken("There is an amount to share, but nobody has a weight.")
    return whole


def _summing_to(amount_minor: int, shares: list[int]) -> tuple[int, ...]:
    """The shares, once more compared with what was to be divided. *Raises*: RuleBroken."""
    if sum(shares) != amount_minor:
        raise RuleBroken("The shares do not add up to the amount.")
    return tuple(shares)
