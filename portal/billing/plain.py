"""Which cases can be billed together with others: those that one item settles and whose hours nobody else waits for.

A case is plain when it is closed, its closing is its one cut and has no item, nothing holds it, no hours of its site
bear on it, and no purchase order gave its yes. Every other case is billed by itself.

Hours stay out for good: what a case draws is gone for the next of its site, and giving back what it had reserved can
make the next one dearer or cheaper. Which case comes first decides what each pays, so they are rated one by one
under the lock of their balance; rated from facts that were read together, two of them would draw the same hour.
Purchase orders stay out likewise: what a bill draws and gives back of one is what is left for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.billing.facts import CLOSING
from portal.billing.gathering import Gathered, read_cases
from portal.billing.models import BillingCut, BillItem
from portal.billing.queries import blocking_facts
from portal.billing.rules import blockers_of
from portal.entitlement.models import Authorization, GrantDraw, GrantReservation
from portal.entitlement.orders.actions import BASIS
from portal.rows import Fact
from portal.sql import Sql

# What billing asks of a case header. Held, so that one after the other bills a case, and no longer than that.
_COLUMNS = (
    *("id", "manufacturer_id", "integrator_id", "customer_id", "site_id", "system_id", "product_line_id"),
    *("severity", "task_class", "customer_class", "requested", "distance", "region", "site_zone"),
    *("state", "opened_at", "closed_at"),
)
_HOLD = Sql(
    f"SELECT {', '.join(_COLUMNS)} FROM support_case WHERE id = ANY (CAST(:ids AS bigint[]))"
    " ORDER BY id FOR NO KEY UPDATE"
)


def plain_cases(session: Session, case_ids: Sequence[int], *, now: datetime) -> list[Gathered]:
    """Those of the cases that are plain with what they are billed from, each held, in order of their ids."""
    session.flush()
    held: list[Any] = [
        Fact(**dict(zip(_COLUMNS, row, strict=True))) for row in _HOLD.rows(session, {"ids": list(case_ids)})
    ]
    closed = [case for case in held if case.state == "closed"]
    return [read for read in read_cases(session, closed) if is_plain(read, now=now)] if closed else []


def is_plain(read: Gathered, *, now: datetime) -> bool:
    """Whether the case can be billed together with others."""
    rows = read.rows
    cuts = [(cut.kind, cut.cut_at) for cut in rows[BillingCut]]
    if rows[BillItem] or cuts not in ([], [(CLOSING, read.case.closed_at)]):
        return False
    if read.hours or rows[GrantReservation] or rows[GrantDraw]:
        return False
    if any(yes.basis == BASIS for yes in rows[Authorization]):
        return False
    return not blockers_of(blocking_facts(rows, now=now))


def closing_cut(read: Gathered) -> BillingCut | None:
    """The cut of a plain case; none where the closing was not cut yet."""
    return rows[0] if (rows := read.rows[BillingCut]) else None
