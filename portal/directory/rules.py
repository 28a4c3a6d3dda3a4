"""What may be said of an organisation, a place and a system; and which phase a system is in on a day."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from portal.errors import Invalid

CODE = re.compile(r"[A-Z][A-Z0-9]{1,7}")
CURRENCY = re.compile(r"[A-Z]{3}")
LONGEST_NAME = 200


class Phase(StrEnum):
    """Where a system stands between installation and service."""

    COMMISSIONING = "commissioning"
    TRANSITION = "transition"
    SERVICE = "service"


def phase_on(day: date, day_one_on: date | None, transition_ends_on: date | None) -> Phase:
    """The phase of a system on a day: commissioning before Day 1, then a transition of some days, then service.

    A system without a Day 1 was in use before the portal knew it: service.
    """
    if day_one_on is None:
        return Phase.SERVICE
    if day < day_one_on:
        return Phase.COMMISSIONING
    if transition_ends_on is not None and day < transition_ends_on:
        return Phase.TRANSITION
    return Phase.SERVICE


def in_warranty(day: date, starts_on: date | None, ends_on: date | None) -> bool:
    """Whether ``day`` is within the warranty; the last day counts."""
    return starts_on is not None and ends_on is not None and starts_on <= day <= ends_on


def is_valid_on(day: date, issued_on: date, expires_on: date) -> bool:
    """Whether a certificate is valid on ``day``: from the day of issue up to, not including, its expiry."""
    return issued_on <= day < expires_on


def check_organisation(code: str, name: str, zone: str, currency: str) -> None:
    """Refuse what cannot name an organisation. *Raises*: Invalid with a sentence per field."""
    fields = _name_problems(name) | _zone_problems(zone)
    if not CODE.fullmatch(code):
        fields["code"] = "Use two to eight capital letters and digits, a letter first."
    if not CURRENCY.fullmatch(currency):
        fields["currency"] = "Use the three capital letters of the currency, such as EUR."
    _refuse(fields)


def check_place(name: str, zone: str) -> None:
    """Refuse what cannot name a site. *Raises*: Invalid with a sentence per field."""
    _refuse(_name_problems(name) | _zone_problems(zone))


def check_system_dates(
    warranty_starts_on: date | None,
    warranty_ends_on: date | None,
    day_one_on: date | None,
    transition_ends_on: date | None,
) -> None:
    """Refuse dates in the wrong order. *Raises*: Invalid with a sentence per field."""
    fields: dict[str, str] = {}
    if (warranty_starts_on is None) != (warranty_ends_on is None):
        fields["warranty_ends_on"] = "A warranty has a first and a last day, or neither."
    elif warranty_starts_on and warranty_ends_on and warranty_ends_on < warranty_starts_on:
        fields["warranty_ends_on"] = "The warranty ends before it starts."
    if transition_ends_on is not None and (day_one_on is None or transition_ends_on < day_one_on):
        fields["transition_ends_on"] = "The transition begins on Day 1 and ends later."
    _refuse(fields)


def _name_problems(name: str) -> dict[str, str]:
    if not name.strip():
        return {"name": "Enter a name."}
    if len(name) > LONGEST_NAME:
        return {"name": f"Use at most {LONGEST_NAME} characters."}
    return {}


def _zone_problems(zone: str) -> dict[str, str]:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return {"zone": "Choose a time zone such as Europe/Berlin."}
    return {}


def _refuse(fields: dict[str, str]) -> None:
    if fields:
        raise Invalid("Some of this cannot be taken as it is.", fields)
