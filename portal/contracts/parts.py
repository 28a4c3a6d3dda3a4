"""Whether the customer bears a part that was fitted: by the policy's table, else by what makes work free of charge.

Pure. What the two companies owe each other for a part that neither charges the customer is ``owing``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from portal.contracts.owing import Claimed, Disposition, OwingRow


class PartBearer(StrEnum):
    """Who bears a part as far as the customer is concerned."""

    CUSTOMER = "customer"
    COMPANIES = "companies"


class PartRow(OwingRow):
    """Who bears a part that was fitted; the first row that fits decides."""

    dispositions: tuple[Disposition, ...] = ()
    """What became of the old part: returned, kept, scrapped, lost; any where left out."""
    borne_by: PartBearer
    """customer: a line of its bill at the part's price, within what it authorized; companies: it pays nothing."""


def needs_second_person(
    above_minor: int | None, rows: Sequence[PartRow], *, price_minor: int, on_customer: bool
) -> bool:
    """Whether a second person confirms a part before it is billed: one above the limit that the customer may bear.

    *Units*: minor units; no limit is None. A part at the limit needs nobody else.
    """
    if above_minor is None or price_minor <= above_minor:
        return False
    return on_customer or any(row.borne_by is PartBearer.CUSTOMER for row in rows)


def part_bearer(rows: Sequence[PartRow], about: Claimed, disposition: str) -> PartBearer | None:
    """Who bears such a part by the policy; None where it does not say."""
    for row in rows:
        if (not row.dispositions or disposition in row.dispositions) and row.fits(about):
            return row.borne_by
    return None
