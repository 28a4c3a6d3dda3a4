"""What a supplement comes to and how it is posted: pure.

Invariant: whoever bears and whoever gains sum to what the payer owes by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portal.contracts.blocks import Revenue
from portal.contracts.holdings import part_of_month
from portal.errors import RuleBroken
from portal.ledger.rules import Document, Leg, Purpose, credit, debit, pairs, without_zeros

REMEDY, LABOUR_CREDIT, REFERRAL, MATERIAL = "remedy", "labour_credit", "referral", "material"
SUPPLEMENTED = "supplemented"

SUPPLEMENT_PAIRS = pairs((Purpose.UNBILLED, Purpose.PAYABLE), (Purpose.PAYABLE, Purpose.PAYABLE))


def supplement_kind(kind: str) -> Revenue:
    """The kind of revenue that a supplement to the payer adds to or takes from."""
    return Revenue.SUBSCRIPTION if kind == REMEDY else Revenue.TIME_AND_MATERIALS


@dataclass(frozen=True)
class Effect:
    """What the payer owes, and what each party gains, by organisation; a party bears what is below zero."""

    owed_minor: int
    by_party: Mapping[int, int]

    def __post_init__(self) -> None:
        if sum(self.by_party.values()) != self.owed_minor:
            raise RuleBroken("What the parties gain and bear of a supplement does not sum to what is owed.")


NOTHING = Effect(0, {})


def free_days_minor(price_minor: int, days: int, *, of_days: int) -> int:
    """What so many days of a plan are worth that costs ``price_minor`` a month of ``of_days``: whole months whole."""
    whole, rest = divmod(days, of_days)
    return whole * price_minor + part_of_month(price_minor, rest, of_days)


def credit_of(amount_minor: int, bearer_id: int) -> Effect:
    """A credit to the payer that one party bears."""
    return Effect(-amount_minor, {bearer_id: -amount_minor})


def between(amount_minor: int, from_id: int, to_id: int) -> Effect:
    """Money that one party owes another; nothing where both are one."""
    return NOTHING if from_id == to_id or not amount_minor else Effect(0, {from_id: -amount_minor, to_id: amount_minor})


def difference(target: Effect, known: Effect) -> Effect:
    """What has to be added to what stands so that the target stands; parties that gain nothing more are left out."""
    parties = [*target.by_party, *(each for each in known.by_party if each not in target.by_party)]
    gained = {each: target.by_party.get(each, 0) - known.by_party.get(each, 0) for each in parties}
    return Effect(target.owed_minor - known.owed_minor, {each: minor for each, minor in gained.items() if minor})


def supplement_legs(debtor_id: int, owed_minor: int, parts: Iterable[tuple[int, int, Document]]) -> list[Leg]:
    """The debtor owes what it comes to; every party's gain, or loss, is payable at once."""
    legs = [credit(Purpose.PAYABLE, minor, party_id, document) for party_id, minor, document in parts]
    return without_zeros([debit(Purpose.UNBILLED, owed_minor, debtor_id), *legs])
