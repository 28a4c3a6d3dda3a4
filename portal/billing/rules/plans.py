"""What a sold month of a plan earns: by use while its cases are billed, and what is left once it is over.

Invariant: what a case used is divided among the months that served it to the last minor unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from portal.calendars import Period
from portal.contracts.holdings import part_of_month
from portal.contracts.terms import Plan
from portal.ledger.rules import Document, Leg, Purpose, credit, debit, month_at, pairs, without_zeros
from portal.money import Money, allocate
from portal.zones import zone_named

_INSTANT = timedelta(microseconds=1)

# A twelfth of a year; months differ by less than a tenth of it.
MONTH_SECONDS = 365 * 86_400 // 12

PLAN_PAIRS = pairs(
    (Purpose.UNBILLED, Purpose.DEFERRED),
    (Purpose.PREPAID, Purpose.DEFERRED),
    (Purpose.DEFERRED, Purpose.PAYABLE),
    (Purpose.DEFERRED, Purpose.ACCRUED),
    # A correction moves between parties as well.
    (Purpose.PAYABLE, Purpose.PAYABLE),
)


def use_by_grant(use_minor: int, seconds_by_grant: Mapping[int, int]) -> dict[int, int]:
    """What a case's use is worth of each grant that it drew from, by the seconds; sums to the whole."""
    drawn = {grant: seconds for grant, seconds in sorted(seconds_by_grant.items()) if seconds > 0}
    if not drawn:
        return {}
    return dict(zip(drawn, allocate(use_minor, list(drawn.values())), strict=True))


def month_of_bill_minor(amount_minor: int, covered: Period, middle: datetime) -> int:
    """What of a subscription's bill is for the month around ``middle``; the months of the bill sum to it."""
    months = max(round(covered.seconds / MONTH_SECONDS), 1)
    month = int((middle - covered.start).total_seconds() / covered.seconds * months)
    return allocate(amount_minor, [1] * months)[min(month, months - 1)]


def longer_month_minor(amount_minor: int, sold_minor: int, *, month: Period, ends_at: datetime) -> int:
    """What of a bill is for a month where its term was made longer: what is not sold yet, over the months to its end.

    The months of the bill sum to it; nothing once it is sold.
    """
    months = max(round((ends_at - month.start).total_seconds() / MONTH_SECONDS), 1)
    return allocate(max(amount_minor - sold_minor, 0), [1] * months)[0]


def stretch_minor(left_minor: int, *, stretch: Period, month: Period, ends_at: datetime) -> int:
    """What of a changed term's price is for a stretch of one of its months, of what is not sold yet.

    The stretch counts by its seconds of the month, the months after it whole; they sum to what is left.
    """
    later = max(round((ends_at - month.end).total_seconds() / MONTH_SECONDS), 0)
    return allocate(max(left_minor, 0), [stretch.seconds, *([month.seconds] * later)])[0]


def changed_back_minor(
    sold_minor: int, credit_minor: int, unsold_minor: int, *, used_minor: int, covered: Period, at: datetime
) -> int:
    """What of a sold month goes into the plan that takes its place at an instant, by the second.

    Where the whole term is sold, that is what Stripe gave back of it, to the cent; of a longer term the months that are
    not sold yet go with it, and of the month that runs its rest does. What was used stays with the plan it was used of,
    so that the plan in its place costs so much less. *Shape*: never below zero.
    """
    rest = Period(max(at, covered.start), covered.end).seconds
    over = allocate(sold_minor, [rest, covered.seconds - rest])[0] if unsold_minor else credit_minor
    return max(min(over, sold_minor - used_minor), 0)


@dataclass(frozen=True)
class Term:
    """Bills that pay for one time together: one, and those of changes at once that came within it."""

    bill_ids: tuple[int, ...]
    starts_at: datetime
    ends_at: datetime
    is_changed: bool = False


def terms_of(bills: Iterable[tuple[int, Period, bool]]) -> tuple[Term, ...]:
    """The terms of a subscription's bills, as (number, time, whether of a change at once) in order of their time."""
    found: list[Term] = []
    for number, covered, is_change in bills:
        last = found[-1] if found else None
        if last is not None and is_change and covered.start < last.ends_at:
            ids, ends_at = (*last.bill_ids, number), max(last.ends_at, covered.end)
            found[-1] = Term(ids, last.starts_at, ends_at, is_changed=True)
        else:
            found.append(Term((number,), covered.start, covered.end))
    return tuple(found)


def paid_parts(bills_minor: Sequence[int], sales_minor: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """What each bill of a term has paid of each sale, both in their order; what is left of a bill stands last."""
    found = []
    begins = 0
    for bill in bills_minor:
        ends, parts, sold = begins + bill, [], 0
        for sale in sales_minor:
            parts.append(max(min(ends, sold + sale) - max(begins, sold), 0))
            sold += sale
        found.append((*parts, bill - sum(parts)))
        begins = ends
    return tuple(found)


def later_by_days(at: datetime, days: int, zone: str) -> datetime:
    """The same time of the clock on the wall so many days later, or earlier where they are below zero."""
    local = at.astimezone(zone_named(zone))
    return (local + timedelta(days=days)).astimezone(UTC)


def sale_instants(zone: str, books_end: datetime, now: datetime) -> list[datetime]:
    """An instant of each month that open books sell: their own, and each begun since, while they wait for their close.

    *Shape*: in order; the last is ``now`` or, within the books' own month, the only one.
    """
    found = [min(now, books_end - _INSTANT)]
    while books_end <= now:
        books_end = month_at(zone, books_end).ends_at
        found.append(min(now, books_end - _INSTANT))
    return found


def months_late(
    begins: datetime,
    until: datetime | None,
    month_of: Callable[[datetime], Period],
    bills: Sequence[Period],
    now: datetime,
) -> list[datetime]:
    """When each month of a plan began, as far as it was held, that is over by now and that one bill asks for.

    ``until`` is when another plan takes over, if one does; ``month_of`` an instant says which month it is in; ``bills``
    are the times that bills ask for. What is held of a month beyond its bill, because clocks differ by a moment, is of
    no bill: its month is the next one's.
    """
    found = []
    while until is None or begins < until:
        month = month_of(begins)
        ends = month.end if until is None else min(month.end, until)
        if ends > now:
            break
        asked = (begins + (ends - begins) / 2, month.start + (month.end - month.start) / 2)
        if any(bill.start <= min(asked) and max(asked) < bill.end for bill in bills):
            found.append(begins)
        begins = ends
    return found


def months_waited(anchor: datetime, from_at: datetime, month_of: Callable[[datetime], Period]) -> list[Period]:
    """The whole months that a plan is paid for before it covers, in order: they are paid, so they are sold.

    ``anchor`` is when its months begin to count; the month in which its cover begins is sold with it.
    """
    found = []
    month = month_of(anchor)
    while month.start < month.end <= from_at:
        found.append(month)
        month = month_of(month.end)
    return found


def sale_legs(debtor_id: int, customer_id: int, amount_minor: int, *, ahead: bool = False) -> list[Leg]:
    """The debtor owes the month, or has paid it ahead; the customer has it coming."""
    return [
        debit(Purpose.PREPAID if ahead else Purpose.UNBILLED, amount_minor, debtor_id),
        credit(Purpose.DEFERRED, amount_minor, customer_id),
    ]


def earning_legs(customer_id: int, parts: Iterable[tuple[int, int, Document]], *, with_cash: bool = False) -> list[Leg]:
    """What was deferred is the parties'; an amount below zero takes it back. ``with_cash`` where it is not paid yet."""
    stage = Purpose.ACCRUED if with_cash else Purpose.PAYABLE
    legs = [credit(stage, minor, party_id, document) for party_id, minor, document in parts]
    return without_zeros([debit(Purpose.DEFERRED, -sum(leg.amount_minor for leg in legs), customer_id), *legs])


@dataclass(frozen=True)
class GivenUp:
    """What goes back of a month that is given up before its end, and how that comes about."""

    amount_minor: int
    sentences: tuple[str, ...]


def given_up(
    price: Money, plan: Plan, covered: Period, *, at: datetime, used_minor: int, zone: str, gone_minor: int = 0
) -> GivenUp:
    """What of a sold stretch goes back when the plan is given up at an instant, by whole local days where it says so.

    A day on which it was held at all counts as held; what was used of it does not go back, nor what is gone already.
    """
    if not plan.given_up_by_days:
        return GivenUp(0, (f"{plan.name} gives nothing back of a month that is sold.",))
    local = zone_named(zone)
    first = covered.start.astimezone(local).date()
    days = ((covered.end - _INSTANT).astimezone(local).date() - first).days + 1
    held = min((at - _INSTANT).astimezone(local).date() - first, timedelta(days=days - 1)).days + 1
    by_days = part_of_month(price.minor, days - held, days)
    back = max(min(by_days, price.minor - used_minor - gone_minor), 0)
    said = [f"{days - held} of {days} days are left of {price}: {Money(by_days, price.currency)}."]
    if back < by_days:
        used, gone = Money(used_minor, price.currency), Money(gone_minor, price.currency)
        before = f" and {gone} went back before" if gone_minor else ""
        said.append(f"Of it {used} was used{before}, so that {Money(back, price.currency)} goes back.")
    return GivenUp(back, tuple(said))


def month_price(
    price_minor: int, plan: Plan, month: Period, *, starts_at: datetime, ends_at: datetime, zone: str
) -> int:
    """What a month of a plan costs that is held for a part of it, by whole local days where the plan says so.

    A day on which it is held at all counts. *Raises*: RuleBroken where the plan is not held in the month.
    """
    local = zone_named(zone)

    def day(at: datetime) -> date:
        return at.astimezone(local).date()

    # The last day of a stretch is that of the instant before its end.
    first, last = day(month.start), day(month.end - _INSTANT)
    begins = day(starts_at) if plan.first_month_by_days else first
    ends = day(ends_at - _INSTANT) if plan.last_month_by_days else last
    return part_of_month(price_minor, (ends - begins).days + 1, (last - first).days + 1)
