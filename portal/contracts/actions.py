"""The verbs of signed documents: draft, propose, sign, and the customer's acceptance with its choice of plan.

A proposed text never changes again; a signature names its hash; the version comes into force by itself when the last
company has signed. A policy needs the manufacturer's signature, an agreement both companies'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.contracts import queries
from portal.contracts.agreement import Agreement, agreement_against_policy, parse_agreement
from portal.contracts.canonical import canonical_json, sha256
from portal.contracts.copying import with_holidays
from portal.contracts.models import (
    Document,
    DocumentDraft,
    DocumentInForce,
    DocumentSignature,
    DocumentVersion,
    PlanChoice,
)
from portal.contracts.policy import Policy, parse_policy
from portal.contracts.reinstatement import Reinstatement, reinstatement
from portal.contracts.rules import held_until, plan_named, rate_minor
from portal.directory import queries as directory
from portal.directory.models import Site
from portal.errors import Conflict, DocumentInvalid, Invalid, NotAllowed, NotFound, Problem, RuleBroken
from portal.jobs import enqueue
from portal.rows import add_or_refuse


def open_document(
    session: Session, actor: Actor, *, kind: str, title: str, now: datetime, integrator_id: int | None = None
) -> Document:
    """Begin a policy, or an agreement with an integrator. *Raises*: NotAllowed, Invalid when there is one already."""
    _must_administer(actor)
    if actor.side is not Side.MANUFACTURER:
        raise NotAllowed("The manufacturer opens a document; the integrator signs an agreement.")
    document = Document(
        kind=kind, manufacturer_id=actor.organisation_id, integrator_id=integrator_id, title=title, created_at=now
    )
    add_or_refuse(session, document, Invalid("There is such a document already: write its next version."))
    audit.record(session, actor, "open_document", "document", document.id, details={"kind": kind}, now=now)
    return document


def save_draft(session: Session, actor: Actor, document: Document, body_toml: str, now: datetime) -> DocumentDraft:
    """Keep what is being written, however wrong it still is."""
    _must_administer(actor)
    _must_be_party(actor, document)
    draft = queries.draft(session, actor, document.id)
    if draft is None:
        draft = DocumentDraft(document_id=document.id, organisation_id=actor.organisation_id)
        session.add(draft)
    draft.body_toml, draft.edited_by, draft.edited_at = body_toml, actor.person_id, now
    session.flush()
    return draft


def propose_version(
    session: Session, actor: Actor, document: Document, *, body_toml: str, effective_from: datetime, now: datetime
) -> DocumentVersion:
    """Offer a text for signature, from an instant on.

    *Raises*: DocumentInvalid naming line and key; Invalid when another version begins at that instant.
    """
    _must_administer(actor)
    _must_be_party(actor, document)
    value = _parsed(session, document, body_toml, effective_from)
    version = DocumentVersion(
        document_id=document.id,
        kind=document.kind,
        manufacturer_id=document.manufacturer_id,
        integrator_id=document.integrator_id,
        number=queries.next_version_number(session, document.id),
        effective_from=effective_from,
        body_toml=body_toml,
        canonical_json=canonical_json(value),
        sha256=sha256(value),
        proposed_by=actor.person_id,
        proposed_at=now,
    )
    session.add(version)
    session.flush()
    details = {"number": version.number, "sha256": version.sha256}
    audit.record(session, actor, "propose_version", "document_version", version.id, details=details, now=now)
    if document.integrator_id is not None:
        enqueue(session, "notify_version_proposed", version_id=version.id, by_organisation_id=actor.organisation_id)
    return version


def problems_of_text(
    session: Session, document: Document, body_toml: str, effective_from: datetime
) -> tuple[Problem, ...]:
    """Everything that is wrong with a text, line by line; nothing where it could be proposed as it is."""
    try:
        _parsed(session, document, body_toml, effective_from)
    except DocumentInvalid as invalid:
        return invalid.problems
    return ()


def value_of_text(document: Document, body_toml: str) -> Policy | Agreement:
    """The document that a text says, as it would be signed. *Raises*: DocumentInvalid."""
    if document.kind == "policy":
        return with_holidays(parse_policy(body_toml), body_toml)
    return with_holidays(parse_agreement(body_toml), body_toml)


def sign_version(
    session: Session, actor: Actor, version: DocumentVersion, *, shown_sha256: str, now: datetime
) -> DocumentSignature:
    """Sign exactly the text that was shown; with the last signature the version comes into force.

    *Raises*: NotAllowed, NotFound; Conflict when another text was shown; Invalid when its instant is taken.
    """
    _must_administer(actor)
    document = queries.document(session, version.document_id)
    _must_be_party(actor, document)
    if shown_sha256 != version.sha256:
        raise Conflict("The text you were shown is not this version. Read it again before you sign.")
    given = queries.signatures(session, version.id)
    for signature in given:
        if signature.organisation_id == actor.organisation_id:
            return signature
    signature = DocumentSignature(
        version_id=version.id,
        organisation_id=actor.organisation_id,
        manufacturer_id=version.manufacturer_id,
        integrator_id=version.integrator_id,
        person_id=actor.person_id,
        sha256=version.sha256,
        signed_at=now,
    )
    session.add(signature)
    session.flush()
    audit.record(
        session, actor, "sign_version", "document_version", version.id, details={"sha256": version.sha256}, now=now
    )
    signed_by = {row.organisation_id for row in given} | {actor.organisation_id}
    if {version.manufacturer_id, version.integrator_id} - {None} <= signed_by:
        _bring_into_force(session, version, now)
    return signature


def choose_plan(
    session: Session,
    actor: Actor,
    *,
    site: Site,
    version: DocumentVersion,
    shown_sha256: str,
    plan_code: str,
    from_at: datetime,
    now: datetime,
    shown_reinstatement_minor: int = 0,
) -> PlanChoice:
    """The customer accepts the policy by its hash and chooses a plan for a site from an instant on.

    A plan that lapsed is taken up again at what the policy asks for that, which was shown.

    *Raises*: NotAllowed; Conflict when another text or amount was shown; Invalid for a plan the policy does not have,
    or does not let be taken up again, or that is cheaper within the minimum term of the one that is held.
    """
    if actor.side is not Side.CUSTOMER or not actor.has(Role.BUYER):
        raise NotAllowed("A plan is chosen by the customer's buyer.")
    if site.customer_id != actor.organisation_id or version.kind != "policy":
        raise NotFound()
    if shown_sha256 != version.sha256:
        raise Conflict("The policy you were shown has changed. Read it again before you accept it.")
    try:
        plan_named(queries.policy_of(version), plan_code)
    except RuleBroken as unknown:
        raise Invalid("Choose one of the plans.", {"plan_code": "Choose one of the plans."}) from unknown
    _must_keep_its_term(session, site, version, plan_code, from_at)
    back = _taken_up_again(session, site, version, plan_code, from_at)
    if back is not None and back.amount_minor != shown_reinstatement_minor:
        raise Conflict("Taking the plan up again costs another amount by now. Look at it before you choose.")
    integrator_id = integrator_of_site(session, site, version.manufacturer_id, from_at)
    seller_id = integrator_id or version.manufacturer_id
    terms = {} if back is None else {"reinstatement": back.kept}
    taking = Taking(site, version, plan_code, integrator_id, seller_id, actor.person_id, terms)
    from_at = from_at if back is None else back.covers_from
    choice = take_plan(session, taking, from_at=from_at, now=now)
    audit.record(session, actor, "choose_plan", "plan_choice", choice.id, details={"plan": plan_code}, now=now)
    return choice


def _must_keep_its_term(
    session: Session, site: Site, version: DocumentVersion, plan_code: str, from_at: datetime
) -> None:
    """A plan is kept for its minimum term unless a dearer one follows. *Raises*: Invalid at the field of the plan."""
    run = queries.run_of_plan(session, site_id=site.id, manufacturer_id=version.manufacturer_id, at=from_at)
    if not run or run[-1].plan_code == plan_code:
        return
    accepted, offered = queries.policy_of(queries.version(session, run[-1].version_id)), queries.policy_of(version)
    held, wanted = plan_named(accepted, run[-1].plan_code), plan_named(offered, plan_code)
    is_cheaper = rate_minor(wanted.price_per_month, offered.currency) < rate_minor(
        held.price_per_month, accepted.currency
    )
    until = held_until(
        held.minimum_months, begun_on=run[0].from_at.date(), from_on=from_at.date(), is_cheaper=is_cheaper
    )
    if until is not None:
        sentence = f"{held.name} is taken until {until}: a cheaper plan begins on that day at the earliest."
        raise Invalid(sentence, {"plan_code": sentence})


def _taken_up_again(
    session: Session, site: Site, version: DocumentVersion, plan_code: str, from_at: datetime
) -> Reinstatement | None:
    """What taking up a lapsed plan asks; None where it did not lapse. *Raises*: Invalid at the field of the plan."""
    manufacturer_id = version.manufacturer_id
    gap = queries.gap_at(session, site_id=site.id, manufacturer_id=manufacturer_id, plan_code=plan_code, at=from_at)
    if gap is None:
        return None
    try:
        return reinstatement(queries.policy_of(version), gap, months=None)
    except RuleBroken as refused:
        raise Invalid(refused.sentence, {"plan_code": refused.sentence}) from refused


@dataclass(frozen=True)
class Taking:
    """A plan that a site takes: under which version, who services the site, who sold it, who accepted it.

    ``terms`` is what was agreed beside the policy: how it is paid.
    """

    site: Site
    version: DocumentVersion
    plan_code: str
    integrator_id: int | None
    seller_id: int
    accepted_by: int
    terms: Mapping[str, Any] = field(default_factory=dict)


def take_plan(session: Session, taking: Taking, *, from_at: datetime, now: datetime) -> PlanChoice:
    """Keep a choice of plan that was accepted before, and have it opened. *Raises*: Conflict where one begins then."""
    choice = PlanChoice(
        manufacturer_id=taking.version.manufacturer_id,
        customer_id=taking.site.customer_id,
        integrator_id=taking.integrator_id,
        seller_id=taking.seller_id,
        site_id=taking.site.id,
        version_id=taking.version.id,
        sha256=taking.version.sha256,
        plan_code=taking.plan_code,
        from_at=from_at,
        accepted_by=taking.accepted_by,
        accepted_at=now,
        terms=dict(taking.terms),
    )
    add_or_refuse(session, choice, Conflict("A plan was already chosen for this site from that instant."))
    enqueue(session, "open_grants", plan_choice_id=choice.id)
    return choice


def _parsed(session: Session, document: Document, body_toml: str, effective_from: datetime) -> Policy | Agreement:
    value = value_of_text(document, body_toml)
    if isinstance(value, Policy):
        return value
    policy = queries.policy_in_force(session, document.manufacturer_id, effective_from).policy
    problems = agreement_against_policy(value, policy, body_toml)
    if problems:
        raise DocumentInvalid(problems)
    return value


def _bring_into_force(session: Session, version: DocumentVersion, now: datetime) -> None:
    row = DocumentInForce(
        document_id=version.document_id,
        version_id=version.id,
        kind=version.kind,
        manufacturer_id=version.manufacturer_id,
        integrator_id=version.integrator_id,
        effective_from=version.effective_from,
        recorded_at=now,
    )
    add_or_refuse(session, row, Invalid("Another signed version begins at the same instant: propose another."))


def integrator_of_site(session: Session, site: Site, manufacturer_id: int, at: datetime) -> int | None:
    """Who services a manufacturer's systems at a site; None where nobody does, or more than one."""
    servicing = servicing_at(session, site, manufacturer_id, queries.maker_day(session, manufacturer_id, at))
    return next(iter(servicing)) if len(servicing) == 1 else None


def servicing_at(session: Session, site: Site, manufacturer_id: int, on: date) -> frozenset[int]:
    """All who service a manufacturer's systems at a site on a day."""
    found = (
        directory.servicing_integrator_id(session, site_id=site.id, product_line_id=line.id, on=on)
        for line in directory.product_lines(session, manufacturer_id)
    )
    return frozenset(each for each in found if each is not None)


def _must_administer(actor: Actor) -> None:
    if not actor.has(Role.ADMINISTRATOR):
        raise NotAllowed("Documents are written and signed by an administrator.")


def _must_be_party(actor: Actor, document: Document) -> None:
    if actor.organisation_id not in (document.manufacturer_id, document.integrator_id):
        raise NotFound()
