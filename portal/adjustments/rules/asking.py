"""What kinds of adjustments there are, who may ask for them up to how much, and whose yes they need: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from portal.access import Role

REFUND, CREDIT, WAIVER = "refund", "credit", "waiver"
GOODWILL, WRITE_DOWN, REMEDY = "goodwill", "write_down", "remedy"
SIGNED, MANUFACTURER, INTEGRATOR = "signed", "manufacturer", "integrator"
BEARERS = (SIGNED, MANUFACTURER, INTEGRATOR)


@dataclass(frozen=True)
class Kind:
    """An adjustment's kind: who may ask for it, whether it is a gift, and who bears it where nobody is named."""

    label: str
    says: str
    roles: frozenset[Role]
    is_gift: bool = False
    bearer: str = SIGNED


_FINANCE = frozenset({Role.FINANCE})
_AND_LEAD = frozenset({Role.FINANCE, Role.SUPPORT_LEAD})
KINDS: dict[str, Kind] = {
    REFUND: Kind("Refund", "Money that was paid goes back.", _FINANCE),
    CREDIT: Kind("Credit", "The bill was wrong: less is owed.", _FINANCE),
    WAIVER: Kind("Waiver", "It is owed, and not asked for.", _AND_LEAD, is_gift=True, bearer=MANUFACTURER),
    GOODWILL: Kind("Goodwill", "Given up to keep a customer.", _AND_LEAD, is_gift=True, bearer=MANUFACTURER),
    WRITE_DOWN: Kind("Write-down", "Nobody will pay it any more.", _FINANCE),
    REMEDY: Kind("Remedy", "A promise was broken.", _AND_LEAD, bearer=MANUFACTURER),
}


def may_ask(kind: str, roles: Collection[Role]) -> bool:
    """Whether somebody of the manufacturer with these roles may ask for it."""
    return kind in KINDS and not KINDS[kind].roles.isdisjoint(roles)


def limit_minor(limits: Mapping[Role, int], kind: str, roles: Iterable[Role]) -> int:
    """Up to how much a person's word is enough: the highest limit of the roles that may ask; zero where none is set."""
    return max((limits.get(role, 0) for role in KINDS[kind].roles.intersection(roles)), default=0)


def needs_second_person(amount_minor: int, limit: int, *, is_outside_stripe: bool) -> bool:
    """Above the limit somebody else decides; money that leaves the bank by hand always takes two."""
    return is_outside_stripe or amount_minor > limit


def needs_consent(kind: str, bearer: str, losing: Collection[int], integrators: Collection[int]) -> frozenset[int]:
    """The integrators whose yes is needed: a gift of the manufacturer, and what is put upon one by name, takes it."""
    if bearer == INTEGRATOR or (KINDS[kind].is_gift and bearer == SIGNED):
        return frozenset(losing) & frozenset(integrators)
    return frozenset()
