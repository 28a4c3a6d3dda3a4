"""Sharing by volume: closed months before the item's own are counted, and the slices of that volume hold."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from portal.billing.actions import rebill_case
from portal.billing.actions.rows import shares_for
from portal.billing.gathering import gather
from portal.billing.volumes import with_volumes
from portal.contracts.blocks import ShareRow
from portal.ledger.actions import begin_close
from portal.ledger.models import Period
from portal.ledger.queries import open_period
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked

BY_VOLUME = ShareRow.model_validate_json(
    json.dumps(
        {
            "revenues": ["time_and_materials"],
            "tranches": [{"to": "party", "party": "manufacturer"}],
            "volume_months": 2,
            "volumes": [{"above": "150.00", "tranches": [{"to": "party", "party": "integrator"}]}],
        }
    )
)


@pytest.fixture
def case(work_session, cast):
    """A case of 187.50 EUR, closed."""
    open_books(work_session, cast)
    case = paid_case(work_session, cast)
    worked(work_session, cast, case, minutes=75)
    settled(work_session, cast, case)
    return case


def next_month(session, cast):
    """The open period ends and the next one opens."""
    ending = session.get_one(Period, open_period(session, cast.factory.id))
    begin_close(session, manufacturer_id=cast.factory.id, now=ending.ends_at)


def by_volume(session, case):
    """The facts of the case under an agreement that shares by volume."""
    facts = gather(session, case)
    agreement = facts.documents.agreement.model_copy(update={"shares": (BY_VOLUME,)})
    return replace(facts, documents=replace(facts.documents, agreement=agreement))


def volume_in(session, case, period_id):
    return with_volumes(session, by_volume(session, case), period_id).volumes


def test_documents_that_do_not_share_by_volume_ask_nothing(work_session, cast, case):
    facts = gather(work_session, case)
    assert with_volumes(work_session, facts, open_period(work_session, cast.factory.id)) is facts


def test_closed_months_before_the_items_own_are_counted(work_session, cast, case):
    item = billed(work_session, case)
    assert volume_in(work_session, case, item.period_id) == {2: 0}
    found = []
    for _ in range(3):
        next_month(work_session, cast)
        found.append(volume_in(work_session, case, open_period(work_session, cast.factory.id)))
    assert found == [{2: 18_750}, {2: 18_750}, {2: 0}]


def test_what_was_taken_back_counts_in_the_month_that_took_it_back(work_session, cast, case):
    item = billed(work_session, case)
    next_month(work_session, cast)
    second = open_period(work_session, cast.factory.id)
    worked(work_session, cast, case, minutes=60, start=BILLED_AT)
    rebill_case(work_session, case.id, reason="More work was found.", now=BILLED_AT)
    next_month(work_session, cast)
    third = open_period(work_session, cast.factory.id)
    assert volume_in(work_session, case, second) == {2: item.amount_minor}
    assert volume_in(work_session, case, third)[2] > item.amount_minor
    assert volume_in(work_session, case, item.period_id) == {2: 0}


def test_slices_of_the_volume_hold_for_every_item_of_the_month(work_session, cast, case):
    item = billed(work_session, case)
    next_month(work_session, cast)
    facts = with_volumes(work_session, by_volume(work_session, case), open_period(work_session, cast.factory.id))
    assert [(share.party, share.amount_minor) for share in shares_for(facts, item, ())] == [("integrator", 18_750)]
    before = with_volumes(work_session, by_volume(work_session, case), item.period_id)
    assert [(share.party, share.amount_minor) for share in shares_for(before, item, ())] == [("manufacturer", 18_750)]
