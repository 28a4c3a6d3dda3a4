"""Packs of published policies come to the same balances in the database as in the quote, and as the vendors say."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from portal.billing.actions import bill, cut, reserve_hours
from portal.cases import actions as cases
from portal.contracts.models import DocumentVersion
from portal.entitlement.actions import end_grants, grant_pack
from portal.entitlement.models import GrantBalance, UsageGrant
from tests.support.billed import BILLED_AT, open_books, worked
from tests.support.cases import new_case
from tests.support.cast import NOW, Cast, hours_later
from tests.support.policies import POLICIES, Example, differences_of, examples
from tests.support.versions import signed_text

# The vendors' days are a week before those of the cast; both weeks are ordinary.
LATER = timedelta(days=7)
CHOSEN = {"darron-block/2", "darron-block/3", "darron-block/4", "cactoz-prepaid/1", "milestone-incident-packs/1"}
EXAMPLES = [each for each in examples() if each.name in CHOSEN]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_published_balance_is_the_databases(work_session: Session, cast: Cast, example: Example) -> None:
    assert differences_of(example) == []
    open_books(work_session, cast)
    version = signed_text(work_session, cast, (POLICIES / example.document).read_text(encoding="utf-8"))
    (held,) = example.case["holdings"]
    grant = grant_pack(
        work_session, site_id=cast.plain_site.id, integrator_id=cast.integrator.id, policy_version_id=version.id,
        pack_code=held["pack"], quantity=1, bought_at=NOW, source="test", now=NOW,
    )  # fmt: skip
    for each in (example.case, *example.case.get("followed_by", ())):
        _worked_case(work_session, cast, version, each)
    balance = work_session.get_one(GrantBalance, grant.id, populate_existing=True)
    assert (balance.reserved_seconds, balance.reserved_incidents) == (0, 0)
    for place, figure in example.expect.items():
        if place.endswith("left_minutes"):
            assert balance.free_seconds == figure * 60
        if place.endswith("used_minutes"):
            assert grant.granted_seconds - balance.free_seconds == figure * 60
        if place.endswith("left_incidents"):
            assert balance.free_incidents == figure


def _worked_case(session: Session, cast: Cast, version: DocumentVersion, said: dict) -> None:
    """A case with the example's work, promised and billed."""
    opened_at = _local(version, said["opened_at"])
    case = cases.escalate(session, cast.tom, new_case(cast, system_id=cast.plain_system.id, answers={}), now=opened_at)
    cases.accept_custody(session, cast.ana, case, seq=case.seq, now=opened_at + timedelta(minutes=5))
    start = opened_at
    for piece in said["work"]:
        start = _local(version, piece["starts_at"]) if "starts_at" in piece else start
        worked(session, cast, case, minutes=piece["minutes"], start=start, mode=piece.get("mode", "remote"))
        start += timedelta(minutes=piece["minutes"])
    assert reserve_hours(session, case.id, now=start) == 0
    bill(session, cut(session, case, "closing", now=BILLED_AT).id, now=BILLED_AT)


def _local(version: DocumentVersion, at: datetime) -> datetime:
    zone = "America/New_York" if "New_York" in version.body_toml else "UTC"
    return (at + LATER).replace(tzinfo=ZoneInfo(zone)).astimezone(NOW.tzinfo)


@pytest.mark.parametrize(("topped_up", "left_minutes"), [(False, (0,)), (True, (360, 600))])
def test_a_pack_that_is_topped_up_in_time_is_kept(
    work_session: Session, cast: Cast, topped_up: bool, left_minutes: tuple[int, ...]
) -> None:
    """The published second and third example: 600 less 240 used, after a year, with 600 bought since or without."""
    version = signed_text(work_session, cast, (POLICIES / "cactoz-prepaid.toml").read_text(encoding="utf-8"))
    wanted = {"site_id": cast.plain_site.id, "integrator_id": None, "policy_version_id": version.id}
    grants = [
        grant_pack(work_session, **wanted, pack_code="ten_hours", quantity=1, bought_at=at, source=str(at), now=at)
        for at in (NOW, *((hours_later(24 * 200),) if topped_up else ()))
    ]
    work_session.get_one(GrantBalance, grants[0].id).free_seconds -= 240 * 60
    end_grants(work_session, NOW + timedelta(days=366))
    balances = [work_session.get_one(GrantBalance, grant.id) for grant in grants]
    assert tuple(balance.free_seconds // 60 for balance in balances) == left_minutes
    assert len({balance.ends_at for balance in balances}) == 1
    assert work_session.get_one(UsageGrant, grants[0].id).expires_at < NOW + timedelta(days=366)
