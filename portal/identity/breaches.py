"""A service that knows stolen passwords, asked so that it learns nothing: five digits of a SHA-1, and a padded answer.

The range interface of Have I Been Pwned, which others offer too; a deployment names one or none. A service that does
not answer stops nobody from choosing a password: the list in ``passwords`` still counts, and the log says so.

*Source*: https://haveibeenpwned.com/API/v3#SearchingPwnedPasswordsByRange (2026-11).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from portal.lazily import lazily
from portal.outbound import Outbound, Unreachable

if TYPE_CHECKING:
    import httpx2
else:
    httpx2 = lazily("httpx2")

log = structlog.get_logger("portal.identity")

PREFIX_DIGITS = 5
# Somebody sits before the form meanwhile.
LONGEST_SECONDS = 1.5
USER_AGENT = "Factoryline"


def is_breached(password: str, url: str, outbound: Outbound) -> bool:
    """Whether the service knows the password as stolen; no, where the service cannot be asked."""
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    prefix, suffix = digest[:PREFIX_DIGITS], digest[PREFIX_DIGITS:]
    try:
        return suffix in _stolen(_asked(f"{url}/{prefix}", outbound))
    except (httpx2.HTTPError, httpx2.InvalidURL, Unreachable, ValueError) as error:
        log.warning("breached passwords not asked", kind=type(error).__name__)
        return False


def _asked(address: str, outbound: Outbound) -> str:
    with replace(outbound, seconds=min(outbound.seconds, LONGEST_SECONDS)).client() as client:
        answer = client.get(address, headers={"Add-Padding": "true", "User-Agent": USER_AGENT})
    if answer.status_code != httpx2.codes.OK:
        raise Unreachable(f"The service answered with {answer.status_code}.")
    return answer.text


def _stolen(answer: str) -> frozenset[str]:
    """The rest of each hash that was seen at least once; padding has a count of nought."""
    found = set()
    for line in answer.splitlines():
        rest, colon, count = line.strip().partition(":")
        if not colon or not count.isdecimal():
            raise ValueError("a line of the answer is no hash with its count")
        if int(count) > 0:
            found.add(rest.upper())
    return frozenset(found)
