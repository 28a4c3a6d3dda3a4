"""Whether the system is under warranty at the opening, and why."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from portal.contracts.agreement import Agreement
from portal.contracts.policy import Policy
from portal.contracts.rules import warranty_for, warranty_over_on
from portal.contracts.terms import Warranty, WarrantyStart
from portal.quoting.case_input import CaseInput


def warranty(policy: Policy, agreement: Agreement | None, case: CaseInput) -> dict[str, Any]:
    """In or out, the first day without it, and a sentence; the file's own dates come before the policy's length."""
    row = warranty_for(policy, case.product_line, case.system.part)
    start = case.warranty_from_on or (_start(row, case) if row is not None else None)
    over = case.warranty_until_on
    if over is None and row is not None and start is not None:
        over = warranty_over_on(row, start, longer=_prolonged(row, case, start))
    on = case.opened_at.date()
    inside = over is not None and (start is None or start <= on) and on < over
    return {
        "in_warranty": inside,
        "over_on": over.isoformat() if over else None,
        "because": _because(row, over, inside=inside),
    }


def _start(row: Warranty, case: CaseInput) -> date | None:
    """The day it counts from; where only the age is known, so many days before the opening."""
    system = case.system
    known = {
        WarrantyStart.SHIPMENT: system.shipped_on,
        WarrantyStart.PURCHASE: system.bought_on,
        WarrantyStart.INSTALLATION: system.installed_on,
        WarrantyStart.DAY_1: case.day1_on,
        WarrantyStart.REGISTRATION: system.registered_on,
    }
    found = known[row.starts] if row.starts is not None else next((each for each in known.values() if each), None)
    if found is None and system.age_days is not None:
        return case.opened_at.date() - timedelta(days=system.age_days)
    return found


def _prolonged(row: Warranty, case: CaseInput, start: date) -> bool:
    since = case.system.plan_since
    return case.plan in row.longer_with and since is not None and since <= start


def _because(row: Warranty | None, over: date | None, *, inside: bool) -> str:
    if over is None:
        return "No warranty is granted." if row is None else "Nothing says when the warranty began."
    return f"Under warranty until {over - timedelta(days=1)}." if inside else f"The warranty ended before {over}."
