"""Open a case: a technician escalates, an engineer logs a call, the customer's contact asks for help.

The case keeps its companies, its coverage and price, and its first custody from here on; what the checklist asks for
and does not get is said field by field, and nothing typed is lost because nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.access import Actor, Audience, Side, may_authorize_spending, may_open_case
from portal.cases import clocks, rules
from portal.cases.actions import authorizing, notes
from portal.cases.actions.core import Held, new_event, parties
from portal.cases.models import (
    CustodyAcceptance,
    CustodyOffer,
    SupportCase,
    Upload,
)
from portal.contracts.blocks import Company, Mode, Payer, TaskClass
from portal.contracts.entry import Opener
from portal.contracts.promises import Moments
from portal.contracts.rules import intake_complete, intake_fields, intake_problems, plan_named
from portal.contracts.targets import ANSWER_CLOCKS, Clock
from portal.contracts.terms import IntakeField
from portal.directory.models import ProductLine, System
from portal.entitlement.actions import (
    Coverage,
    Wanted,
    decide_again,
    decide_coverage,
    decide_for_case,
    keep_coverage,
)
from portal.entitlement.queries import latest_coverage, payer_id
from portal.entitlement.rules import CoverageFacts
from portal.errors import Invalid, NotAllowed, NotFound
from portal.jobs import enqueue, enqueue_many

LONGEST_TITLE = 200
LONGEST_TEXT = 20_000
LONGEST_ANSWER = 4_000


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


@dataclass(frozen=True)
class _Opening:
    """Where a case starts: who holds it, who is asked to take it, how it is told."""

    kind: str
    holder: Company
    offered: bool = False
    assignee: Actor | None = None
    awaits_response: bool = True


def escalate(
    session: Session, actor: Actor, new: NewCase, *, now: datetime, gathered: Coverage | None = None
) -> SupportCase:
    """The integrator opens a case and offers it to the factory; an FYI case only informs it.

    ``gathered`` is the coverage that this request has shown or compared already: its facts are not read again.
    *Raises*: NotFound, NotAllowed; Invalid naming every field that is missing.
    """
    if actor.side is not Side.INTEGRATOR or not may_open_case(actor):
        raise NotAllowed("A case is escalated by the integrator's service people.")
    opening = _Opening("opened", Company.INTEGRATOR, offered=not new.is_fyi, awaits_response=not new.is_fyi)
    return _open(session, actor, new, opening, now, gathered=gathered)


def log_call(session: Session, actor: Actor, new: NewCase, *, now: datetime) -> SupportCase:
    """An engineer writes down a call: the factory holds the case from its first second, the integrator is told.

    *Raises*: NotFound, NotAllowed, Invalid.
    """
    if actor.side is not Side.MANUFACTURER or not may_open_case(actor):
        raise NotAllowed("Calls are logged by the factory's engineers.")
    opening = _Opening("call_logged", Company.MANUFACTURER, assignee=actor, awaits_response=False)
    return _open(session, actor, new, opening, now)


def open_by_contact(
    session: Session, actor: Actor, new: NewCase, *, now: datetime, gathered: Coverage | None = None
) -> SupportCase:
    """The customer's contact opens a case: it starts with the company the plan names, the other is told at once.

    *Raises*: NotFound, NotAllowed where the plan does not let contacts open cases; Invalid.
    """
    if actor.side is not Side.CUSTOMER or not may_open_case(actor):
        raise NotAllowed("Cases are opened by the named contacts.")
    return _open(session, actor, new, None, now, gathered=gathered)


def coverage_before(
    session: Session, actor: Actor, new: NewCase, *, now: datetime, gathered: Coverage | None = None
) -> Coverage:
    """Coverage and price for the page before the act; stores nothing. *Raises*: NotFound, NotAllowed."""
    if not may_open_case(actor):
        raise NotAllowed("Coverage is shown to those who open cases.")
    return _coverage(session, actor, new, now, gathered=gathered)


def checklist(coverage: Coverage) -> tuple[IntakeField, ...]:
    """What the factory asks for this system's product line."""
    return intake_fields(coverage.terms.policy, coverage.place.product_line_code)


def check_new_case(new: NewCase, coverage: Coverage, uploads: Sequence[Upload], *, is_call: bool) -> None:
    """Refuse what cannot be sent yet. *Raises*: Invalid naming everything that is missing, in one go."""
    problems: dict[str, str] = {}
    if not new.title.strip():
        problems["title"] = "Say in a few words what is wrong."
    elif len(new.title) > LONGEST_TITLE:
        problems["title"] = f"Keep the title below {LONGEST_TITLE} characters."
    if not new.symptom.strip():
        problems["symptom"] = "Describe what happens."
    elif len(new.symptom) > LONGEST_TEXT:
        problems["symptom"] = f"Keep this below {LONGEST_TEXT} characters; attach the rest as a file."
    if not is_call:
        # On the telephone, and with the customer's contact, the factory asks for the rest itself.
        answers = {**new.answers, **{upload.purpose: upload.file_name for upload in uploads if upload.purpose}}
        missing = intake_problems(checklist(coverage), answers)
        problems |= {f"answers.{code}": sentence for code, sentence in missing.items()}
    too_long = f"Keep this below {LONGEST_ANSWER} characters; attach the rest as a file."
    problems |= {f"answers.{code}": too_long for code, text in new.answers.items() if len(text) > LONGEST_ANSWER}
    if problems:
        raise Invalid("Some things are missing.", problems)


def _open(
    session: Session,
    actor: Actor,
    new: NewCase,
    opening: _Opening | None,
    now: datetime,
    *,
    gathered: Coverage | None = None,
) -> SupportCase:
    coverage = _coverage(session, actor, new, now, gathered=gathered)
    sent = _sent_before(session, actor, coverage.place.system, new.once_key)
    if sent is not None:
        return sent
    if not coverage.decision.may_open:
        entry = coverage.decision.entry
        raise NotAllowed(entry.sentence if entry is not None else "The plan does not let you open this case.")
    uploads = notes.own_uploads(session, actor, new.upload_ids)
    check_new_case(new, coverage, uploads, is_call=actor.side is not Side.INTEGRATOR)
    opening = opening or _Opening("opened", coverage.decision.starts_with)
    case = _insert_case(session, actor, new, coverage, opening=opening, now=now)
    events = [new_event(case, actor, opening.kind, audience="customer", details=_told(new), now=now)]
    events[0].seq = 1
    if opening.offered:
        events.append(new_event(case, actor, "offered", audience="companies", now=now))
    session.add_all(events)
    _insert_custody(session, actor, case, opening, now)
    _keep_coverage(session, case, coverage)
    _start_clocks(session, case, coverage, opening, now)
    if uploads:
        notes.attach(session, actor, case, uploads, seq=1, audience=Audience.CUSTOMER, now=now)
    session.flush()
    enqueue_many(session, "notify_case_event", [{"event_id": event.id} for event in events])
    _ask_payer(session, actor, case, coverage, nte_minor=new.nte_minor, now=now)
    return case


def _sent_before(session: Session, actor: Actor, system: System, once_key: str) -> SupportCase | None:
    """The case that the same form opened already; two sendings at once come one after the other."""
    if not once_key:
        return None
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(once_key, 0))))
    mine = (
        SupportCase.manufacturer_id == system.manufacturer_id,
        SupportCase.source == "portal",
        SupportCase.source_key == once_key,
        SupportCase.opened_by == actor.person_id,
    )
    return session.scalars(select(SupportCase).where(*mine).limit(1)).one_or_none()


def _told(new: NewCase) -> dict[str, object]:
    """What the opening event says beside the header: who called, where somebody did."""
    if not new.caller_name and not new.caller_phone:
        return {}
    said = {"caller_name": new.caller_name, "caller_phone": new.caller_phone, "verified_by": new.caller_verified_by}
    return {name: text.strip() for name, text in said.items()}


def _coverage(
    session: Session, actor: Actor, new: NewCase, now: datetime, *, gathered: Coverage | None = None
) -> Coverage:
    if not 1 <= new.severity <= 4:
        raise Invalid("Choose how bad it is.", {"severity": "Choose a severity from 1 to 4."})
    wanted = Wanted(new.severity, new.task_class, new.mode, new.caller_certified)
    if gathered is not None and gathered.place.system.id == new.system_id:
        return decide_again(gathered, wanted, now=now)
    return decide_coverage(session, actor, new.system_id, wanted, now=now)


def _insert_case(
    session: Session, actor: Actor, new: NewCase, coverage: Coverage, *, opening: _Opening, now: datetime
) -> SupportCase:
    system, decision = coverage.place.system, coverage.decision
    number = session.scalars(select(func.next_number(system.manufacturer_id, "case"))).one()
    integrator_id = coverage.place.integrator_id
    holder_id = system.manufacturer_id if opening.holder is Company.MANUFACTURER else integrator_id
    # Under house terms the manufacturer stands in for the integrator that does not exist.
    holder = opening.holder if coverage.place.has_integrator else Company.MANUFACTURER
    case = SupportCase(
        manufacturer_id=system.manufacturer_id,
        integrator_id=integrator_id,
        customer_id=system.customer_id,
        number=number,
        name=f"{coverage.place.manufacturer_code}-{number}",
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
        on_site_waiting=new.on_site_waiting,
        is_fyi=new.is_fyi,
        state="offered" if opening.offered else "open",
        seq=2 if opening.offered else 1,
        holder_side=holder.value,
        holder_id=holder_id,
        assignee_id=opening.assignee.person_id if opening.assignee else None,
        assignee_name=opening.assignee.display_name if opening.assignee else "",
        offered_to_id=system.manufacturer_id if opening.offered else None,
        entitlement_rank=decision.queue_rank,
        plan_code=coverage.cover.plan_code,
        due_at=_first_due(coverage, opening, holder),
        due_kind=Clock.RESPONSE.value if _first_due(coverage, opening, holder) else None,
        opened_at=now,
        opened_by=actor.person_id,
        opened_by_name=actor.display_name,
        opener_side=actor.side.value,
        changed_at=now,
        source_key=new.once_key or None,
    )
    session.add(case)
    session.flush()
    return case


def _answers(new: NewCase, coverage: Coverage) -> dict[str, str]:
    """The answers to what the checklist asks; what it does not ask is not kept."""
    return {field.code: new.answers[field.code].strip() for field in checklist(coverage) if field.code in new.answers}


def _first_due(coverage: Coverage, opening: _Opening, holder: Company) -> datetime | None:
    """When the factory must respond; a case that starts with the integrator has promised nothing yet."""
    response = coverage.decision.response
    asked = opening.offered or holder is Company.MANUFACTURER
    return response.due_at if response is not None and asked and opening.awaits_response else None


def _insert_custody(session: Session, actor: Actor, case: SupportCase, opening: _Opening, now: datetime) -> None:
    session.add(
        CustodyAcceptance(
            **parties(case),
            seq=1,
            company_id=case.holder_id,
            from_at=now,
            channel="opening",
            accepted_by=actor.person_id,
            accepted_name=actor.display_name,
            recorded_at=now,
        )
    )
    if opening.offered:
        session.add(
            CustodyOffer(
                **parties(case),
                seq=2,
                from_id=case.integrator_id,
                to_id=case.manufacturer_id,
                reason="",
                offered_by=actor.person_id,
                offered_at=now,
            )
        )


def _start_clocks(session: Session, case: SupportCase, coverage: Coverage, opening: _Opening, now: datetime) -> None:
    if case.is_fyi:
        return
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
    clocks.start_clocks(session, case, specs, coverage.terms, moments=moments)
    watched = any(spec.target is not None and spec.target.is_watched for spec in specs)
    if watched or (case.due_at is None and case.holder_side == Company.MANUFACTURER):
        session.flush()
        clocks.set_due(session, case, clocks.history(session, case, now), now=now)


def _keep_coverage(session: Session, case: SupportCase, coverage: Coverage) -> None:
    """What the integrator pays is not the customer's to read nor to write: then a job keeps it."""
    if case.opener_side == Side.CUSTOMER and coverage.decision.payer is Payer.INTEGRATOR:
        enqueue(session, "record_coverage", case_id=case.id)
    else:
        keep_coverage(session, coverage, case)


def _ask_payer(
    session: Session, actor: Actor, case: SupportCase, coverage: Coverage, *, nte_minor: int | None, now: datetime
) -> None:
    """Where it can cost money, the payer says yes: in advance, here and now, or asked by mail."""
    decision = coverage.decision
    if not decision.can_cost or case.is_fyi:
        return
    held = Held(case, actor, now, None, None, None, answered=False)
    if decision.free_seconds == 0 and authorizing.by_standing(session, held, coverage) is not None:
        return
    # The decision counted on the standing authorization; another case may just have taken the rest of its month.
    if not decision.authorization_needed and decision.free_seconds != 0 and nte_minor is None:
        return
    is_payer = actor.organisation_id == payer_id(case, decision.payer) and may_authorize_spending(actor)
    if actor.side is Side.CUSTOMER and decision.payer is Payer.INTEGRATOR:
        # The job that keeps the coverage asks the integrator.
        return
    request = authorizing.ask(session, held, coverage, reason="Help may cost money.", nte_minor=nte_minor)
    if is_payer and nte_minor is not None:
        authorizing.answer_yes(session, held, request.id, nte_minor=nte_minor, policy=coverage.terms.policy)
    elif decision.emergency is not None:
        enqueue(
            session,
            "begin_emergency",
            run_at=now + timedelta(seconds=decision.emergency.wait_seconds),
            request_id=request.id,
        )


def record_coverage(session: Session, case_id: int, *, now: datetime) -> None:
    """The job for a customer's case that the integrator pays: keep the decision with all facts and ask the integrator.

    Again is harmless: a case that has a decision keeps it. *Raises*: NotFound.
    """
    case = session.get(SupportCase, case_id, with_for_update=True, populate_existing=True)
    if case is None:
        raise NotFound()
    if latest_coverage(session, case_id) is not None:
        return
    system = session.get_one(System, case.system_id)
    line = session.get_one(ProductLine, case.product_line_id)
    asked = CoverageFacts(
        opener=Opener.CONTACT, severity=case.severity, task_class=TaskClass(case.task_class), product_line=line.code
    )
    coverage = decide_for_case(session, case, system, before=asked, severity=case.severity, now=now)
    keep_coverage(session, coverage, case)
    if coverage.decision.authorization_needed:
        held = Held(case, None, now, None, None, None, answered=False)
        authorizing.ask(session, held, coverage, reason="Help may cost money.", nte_minor=None)
