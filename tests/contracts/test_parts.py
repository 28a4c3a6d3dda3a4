"""Who has to say that a dear part is right before it is billed."""

from __future__ import annotations

import pytest

from portal.contracts.parts import PartBearer, PartRow, needs_second_person

OURS, THEIRS = PartRow(borne_by=PartBearer.COMPANIES), PartRow(borne_by=PartBearer.CUSTOMER)


@pytest.mark.parametrize(
    ("above", "rows", "price", "on_customer", "wanted"),
    [
        (None, (), 1_000_000, True, False),
        (50_000, (), 50_000, True, False),
        (50_000, (), 50_001, True, True),
        (0, (), 1, True, True),
        (50_000, (), 50_001, False, False),
        (50_000, (OURS,), 50_001, False, False),
        (50_000, (OURS, THEIRS), 50_001, False, True),
        (50_000, (OURS,), 50_001, True, True),
    ],
)
def test_a_part_that_the_customer_may_bear_needs_two_when_it_is_dearer_than_the_limit(
    above, rows, price, on_customer, wanted
):
    assert needs_second_person(above, rows, price_minor=price, on_customer=on_customer) is wanted
