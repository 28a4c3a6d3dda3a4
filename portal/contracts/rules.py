"""What a signed document says about one thing: which version holds, which row decides, what it comes to.

Pure look-ups; every first-match table is read here and nowhere else. Amounts leave this module in minor units, rates as
exact minor units per hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Protocol, TypeVar

from portal.calendars import Calendar, is_open
from portal.contracts.agreement import Agreement
from portal.contracts.blocks import (
    WHOLE_BP,
    ActsAs,
    Company,
    Recipient,
    Revenue,
    ShareRow,
    Tranche,
    Weights,
)
from portal.contracts.calendar_blocks import NOWHERE, CalendarBlock, Places
from portal.contracts.policy import Policy
from portal.contracts.promises import Asked, target_of
from portal.contracts.targets import Clock, Target
from portal.contracts.terms import (
    ALWAYS_CALENDAR,
    Band,
    BillTo,
    Cause,
    FieldKind,
    HouseTerms,
    IntakeField,
    Plan,
    Warranty,
)
from portal.errors import Invalid, RuleBroken
from portal.money import minor_digits


class Dated(Protocol):
    """A signed version: it holds from ``effective_from`` until the next one's."""

    @property
    def effective_from(self) -> datetime: ...


Version = TypeVar("Version", bound=Dated)


def version_in_force(versions: Iterable[Version], at: datetime) -> Version | None:
    """The version that holds at ``at``: the latest that began at or before it; None before the first."""
    begun = [each for each in versions if each.effective_from <= at]
    return max(begun, key=lambda each: each.effective_from, default=None)


def amount_minor(text: str, currency: str) -> int:
    """A document's amount in minor units. *Raises*: RuleBroken when it is finer than the currency."""
    exact = rate_minor(text, currency)
    if exact.denominator != 1:
        raise RuleBroken(f"{text} is finer than an amount in {currency} can be.")
    return exact.numerator


def rate_minor(text: str, currency: str) -> Fraction:
    """A document's rate as exact minor units per hour."""
    scale: int = 10 ** minor_digits(currency)
    return Fraction(text) * scale


def calendar_block(document: Policy | Agreement, code: str, region: str | None = None) -> CalendarBlock:
    """The calendar of that name; by region, the one that counts there. *Raises*: RuleBroken when there is none."""
    by_code = {block.code: block for block in document.calendars}
    for _ in range(len(by_code)):
        if code not in by_code:
            break
        counted = by_code[code].regional(region)
        if counted == code:
            return by_code[code]
        code = counted
    if code == ALWAYS_CALENDAR:
        return CalendarBlock(code=ALWAYS_CALENDAR, label="around the clock", always=True)
    raise RuleBroken(f'The document has no calendar "{code}".')


def calendar_named(document: Policy | Agreement, code: str, places: Places = NOWHERE) -> Calendar:
    """The calendar of that name, where the case is. *Raises*: RuleBroken when the document has none."""
    return calendar_block(document, code, places.region).opened_in(document.zone, places)


def calendar_label(document: Policy | Agreement, code: str) -> str:
    """What people read for that calendar."""
    return next((each.label or each.code for each in document.calendars if each.code == code), code)


def plan_named(policy: Policy, code: str | None) -> Plan:
    """The plan of that code; the complimentary plan for a site that chose nothing. *Raises*: RuleBroken."""
    for plan in policy.plans:
        if plan.code == code or (code is None and plan.complimentary):
            return plan
    raise RuleBroken(f'The policy has no plan "{code}".')


def cause_named(policy: Policy, code: str) -> Cause:
    """The cause of that code. *Raises*: Invalid."""
    for cause in policy.causes:
        if cause.code == code:
            return cause
    raise Invalid("Choose one of the causes of the policy.", {"cause": "Choose one of the causes of the policy."})


def band_at(policy: Policy, at: datetime, places: Places = NOWHERE) -> Band:
    """The band of an instant: the first whose calendar is open, else the last."""
    for band in policy.bands[:-1]:
        if band.calendar is not None and is_open(calendar_named(policy, band.calendar, places), at):
            return band
    return policy.bands[-1]


def warranty_for(policy: Policy, product_line: str, part: str | None = None) -> Warranty | None:
    """The warranty row of a product line, and of a part where one is named; None where the policy grants none."""
    for row in policy.warranty:
        by_line = not row.product_lines or product_line in row.product_lines
        if by_line and (not row.parts or part in row.parts):
            return row
    return None


def warranty_end(policy: Policy, product_line: str, starts_on: date) -> date | None:
    """The first day without warranty for a system whose record names no end; None where the policy grants none."""
    row = warranty_for(policy, product_line)
    return None if row is None else warranty_over_on(row, starts_on)


def warranty_over_on(row: Warranty, starts_on: date, *, longer: bool = False) -> date:
    """The first day without warranty: of months, the same day of the month, or the last of a shorter one.

    ``longer`` where a plan that prolongs it was held without a break.
    """
    months = row.longer_months if longer and row.longer_months is not None else row.months
    if months is None:
        # The last of so many days is within it.
        return starts_on + timedelta(days=(row.days or 0) + (1 if row.days else 0))
    return months_after(starts_on, months)


def months_after(day: date, months: int) -> date:
    """The same day of the month so many months later, or the last of a shorter one."""
    years, month = divmod(day.month - 1 + months, 12)
    first = date(day.year + years, month + 1, 1)
    length = (date(first.year + (month + 1) // 12, (month + 1) % 12 + 1, 1) - first).days
    return first.replace(day=min(day.day, length))


def held_until(minimum_months: int, *, begun_on: date, from_on: date, is_cheaper: bool) -> date | None:
    """The end of a plan's minimum term, where a cheaper plan would begin before it; None where it may begin."""
    until = months_after(begun_on, minimum_months)
    return until if is_cheaper and from_on < until else None


@dataclass(frozen=True)
class PayerFacts:
    """What the bill-to table looks at; ``cause`` None while it is not known."""

    task_class: str
    plan: str
    before_day1: bool
    in_warranty: bool
    certified: bool
    cause: str | None = None


def bill_to_row(policy: Policy, facts: PayerFacts) -> BillTo:
    """The first row of the bill-to table that holds. *Raises*: RuleBroken when none does."""
    for row in policy.bill_to:
        if _holds(row, facts):
            return row
    raise RuleBroken("The policy does not say who pays for this.")


def _holds(row: BillTo, facts: PayerFacts) -> bool:
    lists = ((row.task_classes, facts.task_class), (row.plans, facts.plan), (row.causes, facts.cause))
    flags = (
        (row.before_day1, facts.before_day1),
        (row.in_warranty, facts.in_warranty),
        (row.certified, facts.certified),
    )
    by_list = all(not allowed or value in allowed for allowed, value in lists)
    return by_list and all(wanted is None or wanted == value for wanted, value in flags)


def free_causes(policy: Policy, product_line: str, *, in_warranty: bool) -> tuple[str, ...]:
    """The causes that make the work free for this system, in the policy's order."""
    row = warranty_for(policy, product_line) if in_warranty else None
    under_warranty = row.free_causes if row else ()
    return tuple(cause.code for cause in policy.causes if cause.free or cause.code in under_warranty)


def target_for(plan: Plan, clock: Clock, *, severity: int, certified: bool) -> Target | None:
    """The promise of a plan for one clock to whoever asks; None where it promises nothing."""
    return target_of(plan, clock, Asked(severity, certified))


def intake_fields(policy: Policy, product_line: str) -> tuple[IntakeField, ...]:
    """What the factory asks for a product line."""
    for row in policy.intake:
        if not row.product_lines or product_line in row.product_lines:
            return row.fields
    return ()


def intake_problems(fields: Iterable[IntakeField], answers: Mapping[str, str]) -> dict[str, str]:
    """The sentence for each field whose answer is missing or cannot be right; file fields answer with a file's name."""
    problems: dict[str, str] = {}
    for field in fields:
        answer = answers.get(field.code, "").strip()
        if not answer:
            if field.required:
                problems[field.code] = f"{field.label} is missing."
        elif field.kind is FieldKind.CHOICE and answer not in field.choices:
            problems[field.code] = f"Choose one of: {', '.join(field.choices)}."
        elif field.kind is FieldKind.NUMBER and not answer.removeprefix("-").replace(".", "", 1).isdecimal():
            problems[field.code] = f"{field.label} is a number."
    return problems


def intake_complete(fields: Iterable[IntakeField], answers: Mapping[str, str]) -> bool:
    """Whether the checklist is answered; files are not waited for."""
    return not intake_problems((field for field in fields if field.kind is not FieldKind.FILE), answers)


def split_terms(policy: Policy, agreement: Agreement | None) -> Agreement | HouseTerms:
    """What shares and confirmation follow: the agreement, or the policy's house terms where there is none."""
    return agreement if agreement is not None else policy.house_terms


_PARTS_TO_THEIR_SUPPLIER = ShareRow(
    revenues=(Revenue.MATERIALS,), tranches=(Tranche(to=Recipient.SUPPLIER, bp=WHOLE_BP),)
)


def share_row(policy: Policy, agreement: Agreement | None, revenue: Revenue) -> ShareRow:
    """The tranches of a revenue kind: the agreement's, else the house terms'; parts nobody shares are their supplier's.

    House terms state every other kind.
    """
    rows = (*(agreement.shares if agreement else ()), *policy.house_terms.shares, _PARTS_TO_THEIR_SUPPLIER)
    return next(row for row in rows if revenue in row.revenues)


def gross_kinds(policy: Policy, agreement: Agreement | None) -> frozenset[str]:
    """The revenue kinds that the manufacturer sells as principal: they stand in the books with their whole amount."""
    return frozenset(kind.value for kind in Revenue if share_row(policy, agreement, kind).acts_as is ActsAs.PRINCIPAL)


@dataclass(frozen=True)
class ResolutionWeights:
    """The weights of a resolution: from the table, or proposed with a reason, which needs both companies' yes."""

    integrator_bp: int
    manufacturer_bp: int
    from_table: bool
    reason: str = ""

    @property
    def resolved_by(self) -> str:
        """integrator, manufacturer or jointly."""
        if self.integrator_bp == WHOLE_BP:
            return Company.INTEGRATOR
        return Company.MANUFACTURER if self.manufacturer_bp == WHOLE_BP else "jointly"


def table_weights(policy: Policy, agreement: Agreement | None, *, cause: str, last_action: str) -> Weights | None:
    """The weights the signed table names; None outside the table.

    Without an integrator's agreement the house terms' table speaks.
    """
    rows = split_terms(policy, agreement).resolution
    return next((row for row in rows if row.covers(cause=cause, last_action=last_action)), None)


def resolution_weights(
    policy: Policy,
    agreement: Agreement | None,
    *,
    cause: str,
    last_action: str,
    proposed: Weights | None = None,
    reason: str = "",
) -> ResolutionWeights:
    """The weights of a resolution.

    *Raises*: Invalid when the cause or action is not the policy's, when the table says nothing and nothing is proposed,
    or when the proposal leaves the table without a reason or does not sum to the whole.
    """
    cause_named(policy, cause)
    if last_action not in {each.code for each in policy.corrective_actions}:
        raise Invalid("Choose what was done last.", {"last_action": "Choose one of the policy's corrective actions."})
    row = table_weights(policy, agreement, cause=cause, last_action=last_action)
    if proposed is None:
        if row is None:
            sentence = "The signed table says nothing about this cause and action: propose weights with a reason."
            raise Invalid(sentence, {"weights": sentence})
        return ResolutionWeights(row.integrator_bp, row.manufacturer_bp, from_table=True)
    if proposed.integrator_bp + proposed.manufacturer_bp != WHOLE_BP:
        raise Invalid("The weights must sum to 100 %.", {"weights": "The weights must sum to 100 %."})
    if row is not None and row.integrator_bp == proposed.integrator_bp:
        return ResolutionWeights(row.integrator_bp, row.manufacturer_bp, from_table=True)
    if not reason.strip():
        raise Invalid("Leaving the signed table needs a reason.", {"reason": "Say why the table does not fit."})
    return ResolutionWeights(proposed.integrator_bp, proposed.manufacturer_bp, from_table=False, reason=reason.strip())


def resale_ceiling_minor(agreement: Agreement, list_minor: int) -> int | None:
    """The most the integrator may ask for what lists at ``list_minor``; None without a ceiling. Rounded down."""
    ceiling = agreement.resale.ceiling_bp
    return None if ceiling is None else list_minor * ceiling // WHOLE_BP


def check_resale_price(agreement: Agreement, *, list_minor: int, price_minor: int) -> None:
    """Refuse a resale price above the ceiling. *Raises*: Invalid."""
    ceiling = resale_ceiling_minor(agreement, list_minor)
    if ceiling is not None and price_minor > ceiling:
        raise Invalid("The price is above the ceiling of the agreement.", {"price": "This is above the ceiling."})
