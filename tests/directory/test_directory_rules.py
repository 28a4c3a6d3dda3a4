"""Phases, warranty and certificate days, and what may be said of a place."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from portal.directory.rules import (
    Phase,
    check_organisation,
    check_place,
    check_system_dates,
    in_warranty,
    is_valid_on,
    phase_on,
)
from portal.errors import Invalid

DAY = date(2026, 3, 10)
BEFORE, AFTER = DAY - timedelta(days=1), DAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("day_one_on", "transition_ends_on", "phase"),
    [
        (None, None, Phase.SERVICE),
        (AFTER, None, Phase.COMMISSIONING),
        (DAY, None, Phase.SERVICE),
        (DAY, AFTER, Phase.TRANSITION),
        (BEFORE, DAY, Phase.SERVICE),
    ],
)
def test_phase_follows_day_one(day_one_on: date | None, transition_ends_on: date | None, phase: Phase) -> None:
    assert phase_on(DAY, day_one_on, transition_ends_on) is phase


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "expected"),
    [(None, None, False), (DAY, DAY, True), (BEFORE, AFTER, True), (AFTER, AFTER, False), (BEFORE, BEFORE, False)],
)
def test_warranty_includes_its_last_day(starts_on: date | None, ends_on: date | None, expected: bool) -> None:
    assert in_warranty(DAY, starts_on, ends_on) is expected


@pytest.mark.parametrize(("issued_on", "expires_on", "expected"), [(DAY, AFTER, True), (BEFORE, DAY, False)])
def test_certificate_ends_on_the_day_it_expires(issued_on: date, expires_on: date, expected: bool) -> None:
    assert is_valid_on(DAY, issued_on, expires_on) is expected


@pytest.mark.parametrize(
    ("dates", "field"),
    [
        ((DAY, None, None, None), "warranty_ends_on"),
        ((DAY, BEFORE, None, None), "warranty_ends_on"),
        ((None, None, None, DAY), "transition_ends_on"),
        ((None, None, DAY, BEFORE), "transition_ends_on"),
    ],
)
def test_dates_in_the_wrong_order_are_refused(dates: tuple[date | None, ...], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_system_dates(*dates)
    assert set(refused.value.fields) == {field}


def test_dates_in_order_pass() -> None:
    check_system_dates(DAY, AFTER, DAY, AFTER)
    check_system_dates(None, None, None, None)


@pytest.mark.parametrize(
    ("name", "zone", "fields"),
    [("", "Europe/Berlin", {"name"}), ("x" * 201, "UTC", {"name"}), ("Kiel", "Kiel", {"zone"}), ("Kiel", "", {"zone"})],
)
def test_place_is_refused_at_the_field(name: str, zone: str, fields: set[str]) -> None:
    with pytest.raises(Invalid) as refused:
        check_place(name, zone)
    assert set(refused.value.fields) == fields


@pytest.mark.parametrize(
    ("code", "name", "zone", "currency", "fields"),
    [
        ("NOR", "Nordlicht Access", "Europe/Berlin", "EUR", set()),
        ("N", "Nordlicht Access", "Europe/Berlin", "EUR", {"code"}),
        ("2NOR", "Nordlicht Access", "Europe/Berlin", "EUR", {"code"}),
        ("NOR", "Nordlicht Access", "Europe/Berlin", "eur", {"currency"}),
        ("nor", " ", "Kiel", "€", {"code", "name", "zone", "currency"}),
    ],
)
def test_organisation_is_refused_at_every_field_at_once(code, name, zone, currency, fields) -> None:
    if not fields:
        check_organisation(code, name, zone, currency)
        return
    with pytest.raises(Invalid) as refused:
        check_organisation(code, name, zone, currency)
    assert set(refused.value.fields) == fields
