"""Who acts, for whom, and what they may do: pure predicates, deny by default.

An actor is a person acting for one organisation. A mailed link makes an actor that may do one act on one object.
Predicates read as claims and take the actor first; which rows an actor sees is decided by scope (db) and queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """The side of the exchange an organisation stands on."""

    MANUFACTURER = "manufacturer"
    INTEGRATOR = "integrator"
    CUSTOMER = "customer"


class Role(StrEnum):
    """What a person does for the organisation."""

    TECHNICIAN = "technician"
    SERVICE_MANAGER = "service_manager"
    ENGINEER = "engineer"
    SUPPORT_LEAD = "support_lead"
    BUYER = "buyer"
    CONTACT = "contact"
    FINANCE = "finance"
    ADMINISTRATOR = "administrator"


ROLES_OF_SIDE: dict[Side, frozenset[Role]] = {
    Side.MANUFACTURER: frozenset({Role.ENGINEER, Role.SUPPORT_LEAD, Role.FINANCE, Role.ADMINISTRATOR}),
    Side.INTEGRATOR: frozenset({Role.TECHNICIAN, Role.SERVICE_MANAGER, Role.FINANCE, Role.ADMINISTRATOR}),
    Side.CUSTOMER: frozenset({Role.BUYER, Role.CONTACT, Role.FINANCE, Role.ADMINISTRATOR}),
}


class Audience(StrEnum):
    """Who reads a note, a file or an event."""

    OWN = "own"
    COMPANIES = "companies"
    CUSTOMER = "customer"


@dataclass(frozen=True)
class OneAct:
    """What a mailed link allows: one act on one object at one version, nothing else."""

    act: str
    object_type: str
    object_id: str
    object_version: int


@dataclass(frozen=True)
class Actor:
    """A person acting for one organisation.

    *Shape*: ``site_ids`` None means every site of the organisation's scope; ``act`` is set only for a mailed link.
    """

    person_id: int
    organisation_id: int
    side: Side
    roles: frozenset[Role]
    is_operator: bool = False
    site_ids: frozenset[int] | None = None
    act: OneAct | None = None
    display_name: str = ""

    def has(self, *roles: Role) -> bool:
        """Whether the actor, not confined to one act, holds any of ``roles``."""
        return self.act is None and not self.roles.isdisjoint(roles)


@dataclass(frozen=True)
class CaseParties:
    """The three companies of a case and the site it is about."""

    manufacturer_id: int
    integrator_id: int
    customer_id: int
    site_id: int


def allowed_roles(side: Side, roles: Iterable[Role]) -> bool:
    """Whether every one of ``roles`` exists on ``side``, and at least one is named."""
    wanted = frozenset(roles)
    return bool(wanted) and wanted <= ROLES_OF_SIDE[side]


def is_party(actor: Actor, parties: CaseParties) -> bool:
    """Whether the actor's organisation is one of the case's companies and the site is in the actor's set."""
    own = {
        Side.MANUFACTURER: parties.manufacturer_id,
        Side.INTEGRATOR: parties.integrator_id,
        Side.CUSTOMER: parties.customer_id,
    }[actor.side]
    in_site = actor.site_ids is None or parties.site_id in actor.site_ids
    return own == actor.organisation_id and in_site


def may_do(actor: Actor, act: str, object_type: str, object_id: str, *, version: int) -> bool:
    """Whether a mailed link's actor may do exactly this act on exactly this version."""
    return actor.act == OneAct(act, object_type, object_id, version)


def may_open_case(actor: Actor) -> bool:
    """Technicians and their managers escalate, engineers log calls, named contacts and buyers open cases."""
    return actor.has(Role.TECHNICIAN, Role.SERVICE_MANAGER, Role.ENGINEER, Role.SUPPORT_LEAD, Role.CONTACT, Role.BUYER)


def may_work_cases(actor: Actor) -> bool:
    """Holding, noting, handing and resolving is for the two companies' service people; customers never hold custody."""
    return actor.has(Role.TECHNICIAN, Role.SERVICE_MANAGER, Role.ENGINEER, Role.SUPPORT_LEAD)


def may_approve_time(actor: Actor) -> bool:
    """Time is approved by a lead or manager of the worker's own company."""
    return actor.has(Role.SUPPORT_LEAD, Role.SERVICE_MANAGER)


def may_authorize_spending(actor: Actor) -> bool:
    """The purse: buyers of the customer; for an integrator that pays, its manager or finance."""
    if actor.side is Side.CUSTOMER:
        return actor.has(Role.BUYER)
    return actor.side is Side.INTEGRATOR and actor.has(Role.SERVICE_MANAGER, Role.FINANCE)


def may_see_shares(actor: Actor) -> bool:
    """Shares are for managers and finance of the two companies, never for technicians or customers."""
    return actor.side is not Side.CUSTOMER and actor.has(
        Role.SERVICE_MANAGER, Role.SUPPORT_LEAD, Role.FINANCE, Role.ADMINISTRATOR
    )


def may_see_prices(actor: Actor) -> bool:
    """Every party of a case sees the price it may have to pay or quote; which price, the query decides."""
    return actor.act is None and bool(actor.roles)


def may_handle_finance(actor: Actor) -> bool:
    """Statements, ledgers, contests and approvals."""
    return actor.has(Role.FINANCE)


def may_administer(actor: Actor) -> bool:
    """People, documents and settings of the actor's own organisation."""
    return actor.has(Role.ADMINISTRATOR)


def may_challenge_split(actor: Actor) -> bool:
    """A challenge speaks for the company: its manager, lead or finance raises it."""
    return actor.side is not Side.CUSTOMER and actor.has(Role.SERVICE_MANAGER, Role.SUPPORT_LEAD, Role.FINANCE)
