"""Three cases that every manufacturer has, priced by its documents: what a text would cost, before it is signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Mode
from portal.contracts.policy import Policy
from portal.errors import PortalError
from portal.quoting.bill import bill
from portal.quoting.case_input import CaseInput, WorkInput
from portal.quoting.dues import shares

Documents = tuple[Policy, Agreement | None]

_TUESDAY, _SATURDAY = 1, 5


@dataclass(frozen=True)
class TypicalBill:
    """A case and what it costs: ``before`` by the documents in force, where there are any and they price it.

    ``refusal`` is why the documents do not price the case; then there is nothing else.
    """

    title: str
    currency: str = ""
    amount: str = ""
    minutes: int | str = 0
    before: str = ""
    sentences: tuple[str, ...] = ()
    shares: tuple[tuple[str, str], ...] = ()
    refusal: str = ""


def typical_bills(draft: Documents, before: Documents | None, on: date) -> tuple[TypicalBill, ...]:
    """The bills of three typical cases in the week after ``on``."""
    return tuple(_bill(case, draft, before) for case in typical_cases(draft[0], on))


def typical_cases(policy: Policy, on: date) -> Sequence[CaseInput]:
    """Remote help on a weekday, a visit on a Saturday, an evening on the first plan that is paid for."""
    tuesday, saturday = _next(on, _TUESDAY), _next(on, _SATURDAY)
    paid = next((plan for plan in policy.plans if not plan.complimentary), None)
    with_plan = f"with {paid.name}" if paid is not None else "without a plan"
    line = next((code for row in policy.warranty for code in row.product_lines), "")
    return (
        CaseInput(
            title="Remote help on a Tuesday at 10:00, 50 minutes, without a plan",
            opened_at=datetime.combine(tuesday, time(10)),
            product_line=line,
            work=(WorkInput(minutes=50),),
        ),
        CaseInput(
            title="A visit on a Saturday at 09:00, 45 minutes of travel and 2 hours on site, without a plan",
            opened_at=datetime.combine(saturday, time(9)),
            product_line=line,
            work=(WorkInput(minutes=45, mode=Mode.TRAVEL, visit=1), WorkInput(minutes=120, mode=Mode.ON_SITE, visit=1)),
        ),
        CaseInput(
            title=f"Remote help on a Tuesday at 19:30, 3 hours, {with_plan}",
            opened_at=datetime.combine(tuesday, time(19, 30)),
            plan=paid.code if paid is not None else None,
            product_line=line,
            work=(WorkInput(minutes=180),),
        ),
    )


def _next(on: date, weekday: int) -> date:
    return on + timedelta(days=(weekday - on.weekday()) % 7 or 7)


def _bill(case: CaseInput, draft: Documents, before: Documents | None) -> TypicalBill:
    title = case.title or ""
    try:
        said = bill(*draft, case)
        parts = shares(*draft, case)
    except PortalError as error:
        return TypicalBill(title, refusal=error.sentence)
    return TypicalBill(
        title,
        said["currency"],
        said["amount"],
        said["billable_minutes"],
        before=_before(case, before),
        sentences=tuple(said["words"]),
        shares=tuple((part["party"], part["amount"]) for part in parts),
    )


def _before(case: CaseInput, before: Documents | None) -> str:
    if before is None:
        return ""
    try:
        return str(bill(*before, case)["amount"])
    except PortalError:
        # A plan that is new has no price by the documents in force.
        return ""
