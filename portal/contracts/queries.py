"""Reads of documents and plan choices, and the parsed value of a version in force."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, literal_column, select
from sqlalchemy.orm import Session, defer

from portal.access import Actor, Side
from portal.contracts.agreement import Agreement, agreement_from_json
from portal.contracts.models import (
    Document,
    DocumentDraft,
    DocumentInForce,
    DocumentSignature,
    DocumentVersion,
    PlanChoice,
)
from portal.contracts.policy import Policy, policy_from_json
from portal.contracts.reinstatement import Gap, Held, gap_before, is_paid
from portal.directory.models import Organisation
from portal.errors import NotFound
from portal.zones import local_day

# The texts are long and parsed once for each hash: they are loaded when a hash is new.
WITHOUT_TEXT = (defer(DocumentVersion.body_toml), defer(DocumentVersion.canonical_json))
# A version's text never changes, so its parsed value may be kept by its hash for the life of the process.
_PARSED_AT_MOST = 512
_policies: dict[str, Policy] = {}
_agreements: dict[str, Agreement] = {}


@dataclass(frozen=True)
class PolicyInForce:
    """A policy as it holds at an instant: the version row and its value."""

    version: DocumentVersion
    policy: Policy


@dataclass(frozen=True)
class AgreementInForce:
    """An agreement as it holds at an instant: the version row and its value."""

    version: DocumentVersion
    agreement: Agreement


def policy_of(version: DocumentVersion) -> Policy:
    """The policy's value of a version row."""
    if version.sha256 not in _policies:
        if len(_policies) >= _PARSED_AT_MOST:
            _policies.clear()
        _policies[version.sha256] = policy_from_json(version.canonical_json)
    return _policies[version.sha256]


def policies_of(session: Session, version_ids: Collection[int]) -> dict[int, Policy]:
    """The values of some versions by id; a text is read only when its hash is new to this process."""
    return {each: policy_known_as(session, each, sha256) for each, sha256 in _hashes(session, version_ids).items()}


def agreements_of(session: Session, version_ids: Collection[int]) -> dict[int, Agreement]:
    """The same of agreements."""
    return {each: agreement_known_as(session, each, sha256) for each, sha256 in _hashes(session, version_ids).items()}


def _hashes(session: Session, version_ids: Collection[int]) -> dict[int, str]:
    if not version_ids:
        return {}
    rows = session.execute(
        select(DocumentVersion.id, DocumentVersion.sha256).where(DocumentVersion.id.in_(version_ids))
    )
    return dict(rows.tuples().all())


def policy_known_as(session: Session, version_id: int, sha256: str) -> Policy:
    """The value of a version whose hash is known."""
    if sha256 not in _policies:
        return policy_of(session.get_one(DocumentVersion, version_id))
    return _policies[sha256]


def agreement_known_as(session: Session, version_id: int, sha256: str) -> Agreement:
    """The value of a version whose hash is known."""
    if sha256 not in _agreements:
        return agreement_of(session.get_one(DocumentVersion, version_id))
    return _agreements[sha256]


def agreement_of(version: DocumentVersion) -> Agreement:
    """The agreement's value of a version row."""
    if version.sha256 not in _agreements:
        if len(_agreements) >= _PARSED_AT_MOST:
            _agreements.clear()
        _agreements[version.sha256] = agreement_from_json(version.canonical_json)
    return _agreements[version.sha256]


def policy_in_force(session: Session, manufacturer_id: int, at: datetime) -> PolicyInForce:
    """The manufacturer's policy at an instant. *Raises*: NotFound before the first is in force."""
    version = _version_in_force(session, "policy", manufacturer_id, None, at)
    if version is None:
        raise NotFound("The manufacturer has no policy in force at that time.")
    return PolicyInForce(version, policy_of(version))


def maker_day(session: Session, manufacturer_id: int, at: datetime) -> date:
    """The day of an instant in what a manufacturer sells: by its policy's clock, by its own before the first policy."""
    version = _version_in_force(session, "policy", manufacturer_id, None, at)
    zone = policy_of(version).zone if version is not None else session.get_one(Organisation, manufacturer_id).zone
    return local_day(zone, at)


def policy_id_in_force(manufacturer_id: ColumnElement[int], at: ColumnElement[datetime]) -> ScalarSelect[int]:
    """The version of the policy in force, as a part of another statement."""
    return (
        select(DocumentInForce.version_id)
        .where(
            DocumentInForce.kind == "policy",
            DocumentInForce.manufacturer_id == manufacturer_id,
            DocumentInForce.integrator_id.is_(None),
            DocumentInForce.effective_from <= at,
        )
        .order_by(DocumentInForce.effective_from.desc())
        .limit(literal_column("1"))
        .scalar_subquery()
    )


def agreement_in_force(
    session: Session, manufacturer_id: int, integrator_id: int, at: datetime
) -> AgreementInForce | None:
    """The agreement of the two companies at an instant; None means house terms."""
    if manufacturer_id == integrator_id:
        return None
    version = _version_in_force(session, "agreement", manufacturer_id, integrator_id, at)
    return AgreementInForce(version, agreement_of(version)) if version is not None else None


def version(session: Session, version_id: int) -> DocumentVersion:
    """A version that the actor's scope may read. *Raises*: NotFound."""
    found = session.scalars(
        select(DocumentVersion)
        .join(Organisation, Organisation.id == DocumentVersion.manufacturer_id)
        .where(DocumentVersion.id == version_id)
    ).one_or_none()
    if found is None:
        raise NotFound()
    return found


def document(session: Session, document_id: int) -> Document:
    """A document that the actor's scope may read. *Raises*: NotFound."""
    found = session.scalars(_known_documents().where(Document.id == document_id)).one_or_none()
    if found is None:
        raise NotFound()
    return found


def documents(session: Session, actor: Actor) -> Sequence[Document]:
    """The documents of the actor's company, policies first; a customer sees its manufacturers' policies."""
    statement = _known_documents().order_by(Document.kind.desc(), Document.title, Document.id)
    if actor.side is Side.MANUFACTURER:
        statement = statement.where(Document.manufacturer_id == actor.organisation_id)
    elif actor.side is Side.CUSTOMER:
        statement = statement.where(Document.kind == "policy")
    return session.scalars(statement).all()


def versions(session: Session, document_id: int) -> Sequence[DocumentVersion]:
    """All versions of a document, newest first."""
    mine = DocumentVersion.document_id == document_id
    return session.scalars(select(DocumentVersion).where(mine).order_by(DocumentVersion.number.desc())).all()


def signatures(session: Session, version_id: int) -> Sequence[DocumentSignature]:
    """Who signed a version, in order."""
    mine = DocumentSignature.version_id == version_id
    return session.scalars(select(DocumentSignature).where(mine).order_by(DocumentSignature.signed_at)).all()


def versions_in_force(session: Session, document_id: int) -> Sequence[DocumentInForce]:
    """When each signed version of a document takes over, oldest first."""
    mine = DocumentInForce.document_id == document_id
    return session.scalars(select(DocumentInForce).where(mine).order_by(DocumentInForce.effective_from)).all()


def draft(session: Session, actor: Actor, document_id: int) -> DocumentDraft | None:
    """What the actor's company is writing."""
    return session.get(DocumentDraft, (document_id, actor.organisation_id))


def plan_choice_at(session: Session, *, site_id: int, manufacturer_id: int, at: datetime) -> PlanChoice | None:
    """The plan chosen for a site at an instant; None means the complimentary plan by default."""
    return session.scalars(
        select(PlanChoice)
        .where(PlanChoice.site_id == site_id, PlanChoice.manufacturer_id == manufacturer_id, PlanChoice.from_at <= at)
        .order_by(PlanChoice.from_at.desc())
        .limit(1)
    ).one_or_none()


def plan_choices(session: Session, *, site_id: int, manufacturer_id: int) -> Sequence[PlanChoice]:
    """Every choice for a site, oldest first: each holds until the next."""
    mine = (PlanChoice.site_id == site_id, PlanChoice.manufacturer_id == manufacturer_id)
    return session.scalars(select(PlanChoice).where(*mine).order_by(PlanChoice.from_at)).all()


def run_of_plan(session: Session, *, site_id: int, manufacturer_id: int, at: datetime) -> list[PlanChoice]:
    """The choices by which a site has held its plan of an instant without a break, the earliest first."""
    run: list[PlanChoice] = []
    for choice in plan_choices(session, site_id=site_id, manufacturer_id=manufacturer_id):
        if choice.from_at > at:
            break
        run = [*run, choice] if run and run[-1].plan_code == choice.plan_code else [choice]
    return run


def gap_at(session: Session, *, site_id: int, manufacturer_id: int, plan_code: str, at: datetime) -> Gap | None:
    """The time without cover that an order of the plan would end; None where the plan did not lapse there."""
    choices = plan_choices(session, site_id=site_id, manufacturer_id=manufacturer_id)
    policies = policies_of(session, {choice.version_id for choice in choices})
    held = [
        Held(choice.plan_code, choice.from_at, is_paid(policies[choice.version_id], choice.plan_code))
        for choice in choices
        if choice.version_id in policies
    ]
    return gap_before(held, plan_code, at)


def next_version_number(session: Session, document_id: int) -> int:
    """The number the next version of a document gets."""
    mine = DocumentVersion.document_id == document_id
    return int(session.scalar(select(func.coalesce(func.max(DocumentVersion.number), 0)).where(mine)) or 0) + 1


def acceptances(session: Session, version_id: int) -> Sequence[PlanChoice]:
    """Which customers accepted a policy's version with a choice of plan, as far as the scope may read it."""
    mine = PlanChoice.version_id == version_id
    return session.scalars(select(PlanChoice).where(mine).order_by(PlanChoice.accepted_at)).all()


def _known_documents() -> Select[Document]:
    """Documents of manufacturers that the scope knows: a policy is shown to a maker's own customers and integrators."""
    return select(Document).join(Organisation, Organisation.id == Document.manufacturer_id)


def _version_in_force(
    session: Session, kind: str, manufacturer_id: int, integrator_id: int | None, at: datetime
) -> DocumentVersion | None:
    whose = (
        DocumentInForce.integrator_id.is_(None)
        if integrator_id is None
        else DocumentInForce.integrator_id == integrator_id
    )
    return session.scalars(
        select(DocumentVersion)
        .join(DocumentInForce, DocumentInForce.version_id == DocumentVersion.id)
        .where(
            DocumentInForce.kind == kind,
            DocumentInForce.manufacturer_id == manufacturer_id,
            whose,
            DocumentInForce.effective_from <= at,
        )
        .order_by(DocumentInForce.effective_from.desc())
        .limit(1)
        .options(*WITHOUT_TEXT)
    ).one_or_none()
