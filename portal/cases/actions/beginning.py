"""The rows that a new case begins with, made before any is stored and then added together.

The case's number comes last: whoever opens the maker's next case waits for it until this transaction ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.cases import clocks, rules
from portal.cases.actions.core import new_event, parties
from portal.cases.models import CaseClock, CaseEvent, CustodyAcceptance, CustodyOffer, SupportCase
from portal.contracts.blocks import Company, Mode, Payer, TaskClass
from portal.contracts.circumstances import ORDINARY_CASE, Circumstances
from portal.contracts.promises import Moments
from portal.contracts.rules import intake_complete, intake_fields, plan_named
from portal.contracts.targets import ANSWER_CLOCKS, Clock
from portal.contracts.terms import IntakeField
from portal.db import Base
from portal.entitlement.actions import Coverage, ask_for, coverage_row, new_request
from portal.entitlement.models import AuthorizationRequest
from portal.rows import insert_together
from portal.sql import Sql

_NUMBERS = Sql("""
    SELECT next_number(:maker_id, 'case') AS number,
           ARRAY(SELECT nextval(pg_get_serial_sequence(name, 'id'))
                 FROM unnest(CAST(:tables AS text[])) WITH ORDINALITY AS wanted (name, place) ORDER BY place) AS keys
""")


@dataclass(frozen=True)
class NewCase:
    """What somebody says when opening a case.

    *Shape*: ``answers`` are the checklist's by field code; ``upload_ids`` the files stored before; ``nte_minor`` what
    to ask the payer to authorize, the policy's suggestion where left out; ``once_key`` is made with the form, so that
    one sent twice opens one case.
    """

    system_id: int
    severity: int
    title: str
    symptom: str
    answers: Mapping[str, str] = field(default_factory=dict)
    upload_ids: Sequence[UUID] = ()
    task_class: TaskClass = TaskClass.SUPPORT
    mode: Mode = Mode.REMOTE
    on_site_waiting: bool = False
    is_fyi: bool = False
    nte_minor: int | None = None
    caller_name: str = ""
    caller_phone: str = ""
    caller_certified: bool | None = None
    caller_verified_by: str = ""
    once_key: str = ""
    circumstances: Circumstances = ORDINARY_CASE


@dataclass(frozen=True)
class Opening:
    """Where a case starts: who holds it, who is asked to take it, how it is told."""

    kind: str
    holder: Company
    offered: bool = False
    assignee: Actor | None = None
    awaits_response: bool = True


@dataclass(frozen=True)
class Begun:
    """A stored case with its first events and, where the payer is asked with it, the request.

    *Shape*: ``watched_from`` is when one of its promises has to be looked at; None where nobody is warned of any.
    """

    case: SupportCase
    events: tuple[CaseEvent, ...]
    request: AuthorizationRequest | None
    watched_from: datetime | None


def begin(
    session: Session,
    actor: Actor,
    new: NewCase,
    coverage: Coverage,
    opening: Opening,
    *,
    asks_payer: bool,
    now: datetime,
) -> Begun:
    """Store the case, its first events, custody, clocks and cover, and the payer's request, in one statement.

    *Raises*: Invalid for an amount below the policy's least.
    """
    case = _header(actor, new, coverage, opening, now)
    kinds = [(opening.kind, "customer", _told(new))]
    if opening.offered:
        kinds.append(("offered", "companies", {}))
    request = None
    if asks_payer:
        ask = ask_for(coverage.decision, reason="Help may cost money.", nte_minor=new.nte_minor)
        request = new_request(case, ask, asked_by=actor.person_id, policy=coverage.terms.policy, now=now)
        kinds.append(("authorization_asked", request.audience, {}))
    tables = ["support_case", *(["case_event"] * len(kinds)), *(["authorization_request"] if request else [])]
    [(number, keys)] = _NUMBERS.rows(session, {"maker_id": case.manufacturer_id, "tables": tables})
    case.id, case.number, case.name = keys[0], number, f"{coverage.place.manufacturer_code}-{number}"
    if request is not None:
        request.id, request.case_id = keys[-1], case.id
        asked = {"request_id": request.id, "nte_minor": request.nte_minor, "currency": request.currency}
        kinds[-1] = ("authorization_asked", request.audience, asked)
    events = _events(case, actor, kinds, keys[1:], now)
    custody = _custody(actor, case, opening, now)
    promises, is_watched = _clocks(session, case, coverage, opening, now)
    watched_from = None
    if not case.is_fyi and (is_watched or (case.due_at is None and case.holder_side == Company.MANUFACTURER)):
        accepted = [row for row in custody if isinstance(row, CustodyAcceptance)]
        past = clocks.history_of(case, accepted, [], now)
        due = clocks.due_first(promises, past, {coverage.terms.policy_version_id: coverage.terms.policy}, now)
        case.due_at, case.due_kind, watched_from = due.at, due.kind, due.look_at
    first: list[Base] = [case, *events, *custody, *promises]
    if not integrator_reads_alone(actor, coverage):
        first.append(coverage_row(coverage, case))
    insert_together(session, [*first, request] if request is not None else first)
    return Begun(case, tuple(events), request, watched_from)


def checklist(coverage: Coverage) -> tuple[IntakeField, ...]:
    """What the factory asks for this system's product line."""
    return intake_fields(coverage.terms.policy, coverage.place.product_line_code)


def integrator_reads_alone(actor: Actor, coverage: Coverage) -> bool:
    """What the integrator pays is not the customer's to read nor to write: then a job keeps it."""
    return actor.side is Side.CUSTOMER and coverage.decision.payer is Payer.INTEGRATOR


def _header(actor: Actor, new: NewCase, coverage: Coverage, opening: Opening, now: datetime) -> SupportCase:
    system, decision, facts = coverage.place.system, coverage.decision, coverage.facts
    integrator_id = coverage.place.integrator_id
    holder_id = system.manufacturer_id if opening.holder is Company.MANUFACTURER else integrator_id
    # Under house terms the manufacturer stands in for the integrator that does not exist.
    holder = opening.holder if coverage.place.has_integrator else Company.MANUFACTURER
    due_at = _first_due(coverage, opening, holder)
    return SupportCase(
        manufacturer_id=system.manufacturer_id,
        integrator_id=integrator_id,
        customer_id=system.customer_id,
        system_id=system.id,
        site_id=system.site_id,
        product_line_id=system.product_line_id,
        system_serial=system.serial,
        system_name=system.name,
        title=new.title.strip(),
        symptom=new.symptom.strip(),
        intake=_answers(new, coverage),
        severity=new.severity,
        task_class=decision.task_class.value,
        customer_class=facts.customer_class or "",
        requested=list(facts.requested),
        distance=facts.distance,
        support_level=facts.level,
        channel=facts.channel.value,
        region=facts.region or "",
        site_zone=facts.site_zone or "",
        on_site_waiting=new.on_site_waiting,
        is_fyi=new.is_fyi,
        state="offered" if opening.offered else "open",
        holder_side=holder.value,
        holder_id=holder_id,
        assignee_id=opening.assignee.person_id if opening.assignee else None,
        assignee_name=opening.assignee.display_name if opening.assignee else "",
        offered_to_id=system.manufacturer_id if opening.offered else None,
        entitlement_rank=decision.queue_rank,
        plan_code=coverage.cover.plan_code,
        due_at=due_at,
        due_kind=Clock.RESPONSE.value if due_at else None,
        opened_at=now,
        opened_by=actor.person_id,
        opened_by_name=actor.display_name,
        opener_side=actor.side.value,
        changed_at=now,
        source_key=new.once_key or None,
    )


def _answers(new: NewCase, coverage: Coverage) -> dict[str, str]:
    """The answers to what the checklist asks; what it does not ask is not kept."""
    return {field.code: new.answers[field.code].strip() for field in checklist(coverage) if field.code in new.answers}


def _first_due(coverage: Coverage, opening: Opening, holder: Company) -> datetime | None:
    """When the factory must respond; a case that starts with the integrator has promised nothing yet."""
    response = coverage.decision.response
    asked = opening.offered or holder is Company.MANUFACTURER
    return response.due_at if response is not None and asked and opening.awaits_response else None


def _told(new: NewCase) -> dict[str, object]:
    """What the opening event says beside the header: who called, where somebody did."""
    if not new.caller_name and not new.caller_phone:
        return {}
    said = {"caller_name": new.caller_name, "caller_phone": new.caller_phone, "verified_by": new.caller_verified_by}
    return {name: text.strip() for name, text in said.items()}


def _events(
    case: SupportCase,
    actor: Actor,
    kinds: Sequence[tuple[str, str, Mapping[str, object]]],
    keys: Sequence[int],
    now: datetime,
) -> list[CaseEvent]:
    """The first events, numbered from 1; the case's version is that of the last."""
    events = []
    for seq, (key, (kind, audience, details)) in enumerate(zip(keys, kinds, strict=False), start=1):
        case.seq = seq
        events.append(new_event(case, actor, kind, audience=audience, details=details, now=now))
        events[-1].id = key
    return events


def _custody(
    actor: Actor, case: SupportCase, opening: Opening, now: datetime
) -> list[CustodyAcceptance | CustodyOffer]:
    accepted = CustodyAcceptance(
        **parties(case),
        seq=1,
        company_id=case.holder_id,
        from_at=now,
        channel="opening",
        accepted_by=actor.person_id,
        accepted_name=actor.display_name,
        recorded_at=now,
    )
    if not opening.offered:
        return [accepted]
    offer = CustodyOffer(
        **parties(case),
        seq=2,
        from_id=case.integrator_id,
        to_id=case.manufacturer_id,
        reason="",
        offered_by=actor.person_id,
        offered_at=now,
    )
    return [accepted, offer]


def _clocks(
    session: Session, case: SupportCase, coverage: Coverage, opening: Opening, now: datetime
) -> tuple[list[CaseClock], bool]:
    """The promises that begin with the case, and whether somebody wants to be warned before one breaks."""
    if case.is_fyi:
        return [], False
    plan = plan_named(coverage.terms.policy, coverage.decision.plan_code)
    specs = rules.clocks_for(plan, coverage.facts.asked)
    asked = opening.offered or case.holder_side == Company.MANUFACTURER
    if not (asked and opening.awaits_response):
        specs = tuple(spec for spec in specs if spec.clock not in ANSWER_CLOCKS)
    moments = Moments(
        opened_at=now,
        arrived_at=now,
        escalated_at=now if asked else None,
        intake_at=now if intake_complete(checklist(coverage), case.intake) else None,
        responded_at=now if asked and not opening.awaits_response else None,
    )
    is_watched = any(spec.target is not None and spec.target.is_watched for spec in specs)
    return clocks.new_clocks(session, case, specs, coverage.terms, moments=moments), is_watched
