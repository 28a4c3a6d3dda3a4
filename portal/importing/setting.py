"""What must stand before a case can be stored: companies, people, documents, customers with their plan, systems.

Made by the capabilities' own verbs from the mapping; made once, found again ever after.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.cases.importing import About
from portal.contracts import actions as contracts
from portal.contracts import queries as documents
from portal.contracts.agreement import Agreement, parse_agreement, sha256
from portal.contracts.blocks import Company
from portal.contracts.conditions import WorkKey
from portal.contracts.models import Document, DocumentVersion, PlanChoice
from portal.contracts.policy import Policy, parse_policy
from portal.contracts.prices import price_of
from portal.contracts.rules import ResolutionWeights, plan_named, resolution_weights
from portal.directory import actions as directory
from portal.directory.importing import Installed, add_product_lines, add_systems
from portal.directory.models import Organisation, Site
from portal.entitlement.importing import sign_without_limit
from portal.entitlement.models import StandingAuthorization
from portal.errors import Invalid
from portal.identity.importing import member
from portal.importing import mapping as mappings
from portal.importing.mapping import Mapping, Resolver
from portal.ledger.actions import open_first_period
from portal.money import round_half_up

_SYSTEMS_AT_ONCE = 500


@dataclass(frozen=True)
class Signed:
    """The policy and agreement of the import, as texts; the files lie beside the mapping."""

    policy_toml: str
    agreement_toml: str


@dataclass(frozen=True)
class Place:
    """A customer of the log, with its site and its yes."""

    customer_id: int
    site_id: int
    buyer_name: str
    standing: StandingAuthorization


@dataclass(frozen=True)
class Setting:
    """Everything a case refers to."""

    manufacturer: Organisation
    integrator: Organisation
    importer: Actor
    approver: Actor
    weights: dict[Company, ResolutionWeights]
    rank: int
    price_per_hour_minor: int
    places: dict[str, Place]
    systems: dict[tuple[str, str], About]


@dataclass(frozen=True)
class _Companies:
    manufacturer: Organisation
    integrator: Organisation
    importer: Actor
    signatory: Actor


def prepare(
    session: Session, mapping: Mapping, signed: Signed, used: Sequence[tuple[str, str]], *, now: datetime
) -> Setting:
    """Make, or find, all that the log's (customer, product) pairs need. *Raises*: Invalid, DocumentInvalid."""
    companies = _companies(session, mapping, now)
    policy, agreement = parse_policy(signed.policy_toml), parse_agreement(signed.agreement_toml)
    version = _sign(session, companies, mapping, signed, now)
    ids, at = companies.manufacturer.id, mapping.first_period_at()
    open_first_period(session, manufacturer_id=ids, zone=companies.manufacturer.zone, now=at)
    sites = {value: _site(session, companies, mapping, value, now) for value in dict.fromkeys(c for c, _ in used)}
    # Who sells to a site is who services it: one system of each site comes before its plan, all others after.
    firsts = list({customer: (customer, product) for customer, product in reversed(used)}.values())
    systems = _systems(session, companies, mapping, sites, firsts, now=now)
    places = {value: _place(session, companies, mapping, site, version, now=now) for value, site in sites.items()}
    for some in _batches(used, _SYSTEMS_AT_ONCE):
        systems |= _systems(session, companies, mapping, sites, some, now=now)
    return Setting(
        manufacturer=companies.manufacturer,
        integrator=companies.integrator,
        importer=companies.importer,
        approver=_approver(session, companies, mapping, now),
        weights=_weights(policy, agreement, mapping),
        rank=plan_named(policy, mapping.documents.plan).rank,
        price_per_hour_minor=_price(policy, mapping),
        places=places,
        systems=systems,
    )


def check_documents(mapping: Mapping, signed: Signed) -> None:
    """Refuse documents that cannot be signed or do not know the mapping's words. *Raises*: DocumentInvalid, Invalid."""
    policy, agreement = parse_policy(signed.policy_toml), parse_agreement(signed.agreement_toml)
    _weights(policy, agreement, mapping)
    plan_named(policy, mapping.documents.plan)
    named = (agreement.parties.manufacturer, agreement.parties.integrator)
    if named != (mapping.manufacturer.code, mapping.integrator.code):
        raise Invalid(f"The agreement is between {' and '.join(named)}, not between the mapping's companies.")
    if policy.currency != mapping.currency:
        raise Invalid(f"The policy's currency is {policy.currency}, the mapping's {mapping.currency}.")


def _companies(session: Session, mapping: Mapping, now: datetime) -> _Companies:
    found = {}
    for side, stated in ((Side.MANUFACTURER, mapping.manufacturer), (Side.INTEGRATOR, mapping.integrator)):
        new = directory.NewOrganisation(
            side, stated.code, stated.name, stated.zone, stated.country, mapping.currency,
            is_operator=side is Side.MANUFACTURER and _has_no_operator(session),
        )  # fmt: skip
        row = _organisation(session, stated.code) or directory.found_deployment(session, new, now)
        if row.side != side:
            raise Invalid(f"The organisation {stated.code} is no {side}.")
        mail, name = stated.administrator.mail, stated.administrator.name
        who = member(
            session, organisation_id=row.id, side=side, name=name, mail=mail, roles=[Role.ADMINISTRATOR], now=now
        )
        found[side] = row, who
    (manufacturer, importer), (integrator, signatory) = found[Side.MANUFACTURER], found[Side.INTEGRATOR]
    return _Companies(manufacturer, integrator, importer, signatory)


def _organisation(session: Session, code: str) -> Organisation | None:
    return session.scalars(select(Organisation).where(Organisation.code == code)).one_or_none()


def _has_no_operator(session: Session) -> bool:
    return session.scalar(select(func.count()).select_from(Organisation).where(Organisation.is_operator)) == 0


def _approver(session: Session, companies: _Companies, mapping: Mapping, now: datetime) -> Actor:
    by_factory = mapping.work.company is Company.MANUFACTURER
    organisation = companies.manufacturer if by_factory else companies.integrator
    return member(
        session,
        organisation_id=organisation.id,
        side=mappings.side_of(mapping.work.company),
        name=mapping.approver.name,
        mail=mapping.approver.mail,
        roles=[Role.SUPPORT_LEAD if by_factory else Role.SERVICE_MANAGER],
        now=now,
    )


def _sign(session: Session, companies: _Companies, mapping: Mapping, signed: Signed, now: datetime) -> DocumentVersion:
    """The policy's version in force, both documents signed by all. *Raises*: Invalid where others are in force."""
    integrator_id = companies.integrator.id
    policy = _in_force(session, companies, mapping, "policy", signed.policy_toml, now=now)
    _in_force(session, companies, mapping, "agreement", signed.agreement_toml, integrator_id=integrator_id, now=now)
    return policy


def _in_force(
    session: Session,
    companies: _Companies,
    mapping: Mapping,
    kind: str,
    body_toml: str,
    *,
    now: datetime,
    integrator_id: int | None = None,
) -> DocumentVersion:
    manufacturer_id, effective_from = companies.manufacturer.id, mapping.effective_from()
    wanted = sha256(parse_policy(body_toml) if kind == "policy" else parse_agreement(body_toml))
    document = session.scalars(
        select(Document).where(
            Document.kind == kind,
            Document.manufacturer_id == manufacturer_id,
            Document.integrator_id.is_not_distinct_from(integrator_id),
        )
    ).one_or_none()
    if document is not None:
        for row in documents.versions_in_force(session, document.id):
            version = documents.version(session, row.version_id)
            if row.effective_from == effective_from and version.sha256 == wanted:
                return version
        raise Invalid(f"The companies have signed another {kind}: the import brings its own, or needs the same one.")
    document = contracts.open_document(
        session, companies.importer, kind=kind, title=f"{mapping.source} {kind}", now=now, integrator_id=integrator_id
    )
    version = contracts.propose_version(
        session, companies.importer, document, body_toml=body_toml, effective_from=effective_from, now=now
    )
    signers = [companies.importer] if integrator_id is None else [companies.importer, companies.signatory]
    for signer in signers:
        contracts.sign_version(session, signer, version, shown_sha256=version.sha256, now=now)
    return version


def _site(session: Session, companies: _Companies, mapping: Mapping, value: str, now: datetime) -> Site:
    """The site of a value of the customer column, with its customer; both are known by their names."""
    stated = mapping.customers
    shown = stated.names.get(value, value)
    name, site_name = stated.name.replace("{value}", shown), stated.site.replace("{value}", shown)
    ours = Organisation.code.startswith(stated.code_prefix, autoescape=True)
    customer = session.scalars(
        select(Organisation).where(ours, Organisation.side == Side.CUSTOMER, Organisation.name == name)
    ).one_or_none()
    if customer is None:
        number = session.scalar(select(func.count()).select_from(Organisation).where(ours)) or 0
        code = f"{stated.code_prefix}{number + 1}"
        new = directory.NewOrganisation(
            Side.CUSTOMER, code, name, stated.zone, mapping.manufacturer.country, mapping.currency,
            accounts_payable_email=_buyer_mail(mapping, code),
        )  # fmt: skip
        customer = directory.add_organisation(session, companies.importer, new, now)
    site = session.scalars(select(Site).where(Site.customer_id == customer.id, Site.name == site_name)).one_or_none()
    if site is None:
        site = directory.add_site(
            session, companies.importer, customer_id=customer.id, name=site_name, address="", zone=stated.zone, now=now
        )
    return site


def _buyer_mail(mapping: Mapping, code: str) -> str:
    return mapping.customers.buyer.mail.replace("{code}", code.lower())


def _place(
    session: Session, companies: _Companies, mapping: Mapping, site: Site, version: DocumentVersion, *, now: datetime
) -> Place:
    """The site with its plan and its standing authorization, both by the customer's buyer."""
    customer = session.get_one(Organisation, site.customer_id)
    buyer = member(
        session,
        organisation_id=customer.id,
        side=Side.CUSTOMER,
        name=mapping.customers.buyer.name,
        mail=_buyer_mail(mapping, customer.code),
        roles=[Role.BUYER],
        now=now,
    )
    choice = _plan(session, mapping, site, version, buyer=buyer, now=now)
    standing = sign_without_limit(
        session, buyer, choice, integrator_id=companies.integrator.id, currency=mapping.currency, now=now
    )
    return Place(customer.id, site.id, buyer.display_name, standing)


def _plan(
    session: Session, mapping: Mapping, site: Site, version: DocumentVersion, *, buyer: Actor, now: datetime
) -> PlanChoice:
    from_at = mapping.effective_from()
    found = documents.plan_choice_at(session, site_id=site.id, manufacturer_id=version.manufacturer_id, at=from_at)
    return found or contracts.choose_plan(
        session,
        buyer,
        site=site,
        version=version,
        shown_sha256=version.sha256,
        plan_code=mapping.documents.plan,
        from_at=from_at,
        now=now,
    )


def _systems(
    session: Session,
    companies: _Companies,
    mapping: Mapping,
    sites: dict[str, Site],
    used: Sequence[tuple[str, str]],
    *,
    now: datetime,
) -> dict[tuple[str, str], About]:
    """One system for each product at each site; what the log calls a product is the product line."""
    lines = add_product_lines(session, companies.importer, {product for _, product in used}, now)
    installed = [
        Installed(
            sites[customer].id,
            sites[customer].customer_id,
            lines[product],
            f"{mapping.source}/{customer}/{product}",
            f"{product}, {sites[customer].name}",
        )
        for customer, product in used
    ]
    ids = add_systems(
        session,
        companies.importer,
        installed,
        integrator_id=companies.integrator.id,
        from_on=mapping.documents.effective_on,
        reason=f"Import of {mapping.source}",
        now=now,
    )
    return {
        pair: About(ids[each.serial], each.site_id, each.product_line_id, each.serial, each.name)
        for pair, each in zip(used, installed, strict=True)
    }


def _weights(policy: Policy, agreement: Agreement, mapping: Mapping) -> dict[Company, ResolutionWeights]:
    """The weights of a case that one company resolved, by the agreement's table. *Raises*: Invalid."""
    return {
        company: resolution_weights(policy, agreement, cause=said.cause, last_action=said.last_action)
        for company, said in ((company, resolver_of(mapping, company)) for company in Company)
    }


def resolver_of(mapping: Mapping, company: Company) -> Resolver:
    """What the mapping records for a case that this company resolved."""
    return mapping.resolution.manufacturer if company is Company.MANUFACTURER else mapping.resolution.integrator


def _price(policy: Policy, mapping: Mapping) -> int:
    """The hour's price in the first band, as the standing authorization shows it."""
    work = WorkKey(mapping.work.mode.value, policy.bands[0].code, "support", plan=mapping.documents.plan)
    return round_half_up(price_of(policy, work).hourly)


def _batches(items: Sequence[tuple[str, str]], size: int) -> Iterator[Sequence[tuple[str, str]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
