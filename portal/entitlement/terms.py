"""The terms a pack was sold under, read for a case: whether the pack is good for it, and what is free of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.calendars import is_open
from portal.contracts.blocks import Mode
from portal.contracts.queries import policies_of
from portal.contracts.rules import calendar_named
from portal.entitlement.queries import SiteCover
from portal.entitlement.rules.decision import PackLeft


def is_good_at(session: Session, terms: Mapping[str, Any], policy_version_id: int | None, at: datetime) -> bool:
    """Whether a pack can be used by a case that is opened at an instant, by the calendars of its own policy."""
    calendar = terms.get("calendar")
    if calendar is None or policy_version_id is None:
        return True
    policy = policies_of(session, [policy_version_id])[policy_version_id]
    return is_open(calendar_named(policy, calendar), at)


def incident_packs(terms: Iterable[Mapping[str, Any]]) -> tuple[PackLeft, ...]:
    """The incidents that are promised to a case itself, by the terms of their packs."""
    return tuple(
        PackLeft(
            label=each["label"],
            incidents_left=1,
            priority=each["priority"],
            modes=tuple(Mode(mode) for mode in each["modes"]),
            certified_only=each["certified_only"],
        )
        for each in terms
    )


def packs_left(session: Session, cover: SiteCover, at: datetime) -> tuple[PackLeft, ...]:
    """What is left of the site's packs that a case opened at an instant can use."""
    return tuple(
        PackLeft(
            label=pack.terms["label"],
            seconds_left=pack.seconds_left,
            incidents_left=pack.incidents_left,
            priority=pack.terms["priority"],
            modes=tuple(Mode(mode) for mode in pack.terms["modes"]),
            certified_only=pack.terms["certified_only"],
            ends_at=pack.ends_at,
        )
        for pack in cover.packs
        if is_good_at(session, pack.terms, pack.policy_version_id, at)
    )
