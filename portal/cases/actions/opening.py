"""Open a case: a technician escalates, an engineer logs a call, the customer's contact asks for help.

The case keeps its companies, its coverage and price, and its first custody from here on; what the checklist asks for
and does not get is said field by field, and nothing typed is lost because nothing is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.access import Actor, Audience, Side, may_authorize_spending, may_open_case
from portal.cases.actions import authorizing, notes
from portal.cases.actions.beginning import Begun, NewCase, Opening, begin, checklist, integrator_reads_alone
from portal.cases.actions.core import Held
from portal.cases.models import (
    SupportCase,
    Upload,
)
from portal.contracts.blocks import Company, TaskClass
from portal.contracts.entry import Gate, Opener
from portal.contracts.rules import intake_problems
from portal.directory.models import ProductLine, System
from portal.entitlement.actions import (
    Coverage,
    Wanted,
    decide_again,
    decide_coverage,
    decide_for_case,
    keep_coverage,
)
from portal.entitlement.models import AuthorizationRequest
from portal.entitlement.queries import latest_coverage
from portal.entitlement.rules import CoverageFacts
from portal.errors import Invalid, NotAllowed, NotFound
from portal.jobs import NewJob, enqueue, enqueue_all

LONGEST_TITLE = 200
LONGEST_TEXT = 20_000
LONGEST_ANSWER = 4_000


def escalate(
    session: Session, actor: Actor, new: NewCase, *, now: datetime, gathered: Coverage | None = None
) -> SupportCase:
    """The integrator opens a case and offers it to the factory; an FYI case only informs it.

    ``gathered`` is the coverage that this request has shown or compared already: its facts are not read again.
    *Raises*: NotFound, NotAllowed; Invalid naming every field that is missing.
    """
    if actor.side is not Side.INTEGRATOR or not may_open_case(actor):
        raise NotAllowed("A case is escalated by the integrator's service people.")
    opening = Opening("opened", Company.INTEGRATOR, offered=not new.is_fyi, awaits_response=not new.is_fyi)
    return _open(session, actor, new, opening, now, gathered=gathered)


def log_call(session: Session, actor: Actor, new: NewCase, *, now: datetime) -> SupportCase:
    """An engineer writes down a call: the factory holds the case from its first second, the integrator is told.

    *Raises*: NotFound, NotAllowed, Invalid.
    """
    if actor.side is not Side.MANUFACTURER or not may_open_case(actor):
        raise NotAllowed("Calls are logged by the factory's engineers.")
    opening = Opening("call_logged", Company.MANUFACTURER, assignee=actor, awaits_response=False)
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
    opening: Opening | None,
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
    opening = opening or Opening("opened", coverage.decision.starts_with)
    asks = _asks_payer(actor, new, coverage)
    tries_standing = asks and coverage.cover.standing_id is not None
    begun = begin(session, actor, new, coverage, opening, asks_payer=asks and not tries_standing, now=now)
    if uploads:
        notes.attach(session, actor, begun.case, uploads, seq=1, audience=Audience.CUSTOMER, now=now)
    enqueue_all(session, _jobs(begun, actor, coverage))
    held = Held(begun.case, actor, now, None, None, None, answered=False)
    if tries_standing:
        _use_standing_or_ask(session, held, new, coverage)
    elif begun.request is not None:
        _answer_at_once(session, held, new, coverage, begun.request)
    return begun.case


def _jobs(begun: Begun, actor: Actor, coverage: Coverage) -> list[NewJob]:
    """Who is told, and what follows by itself."""
    wanted = [NewJob("notify_case_event", {"event_id": event.id}) for event in begun.events]
    if integrator_reads_alone(actor, coverage):
        wanted.append(NewJob("record_coverage", {"case_id": begun.case.id}))
    if begun.request is not None:
        wanted.append(NewJob("notify_authorization_request", {"request_id": begun.request.id}))
    entry = coverage.decision.entry
    if entry is not None and Gate.PREPAYMENT in entry.requires:
        wanted.append(NewJob("reserve_case_hours", {"case_id": begun.case.id}))
    if begun.watched_from is not None:
        wanted.append(NewJob("watch_case", {"case_id": begun.case.id}, begun.watched_from))
    return wanted


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


def _coverage(
    session: Session, actor: Actor, new: NewCase, now: datetime, *, gathered: Coverage | None = None
) -> Coverage:
    if not 1 <= new.severity <= 4:
        raise Invalid("Choose how bad it is.", {"severity": "Choose a severity from 1 to 4."})
    wanted = Wanted(new.severity, new.task_class, new.mode, new.caller_certified, new.circumstances)
    if gathered is not None and gathered.place.system.id == new.system_id:
        return decide_again(gathered, wanted, now=now)
    return decide_coverage(session, actor, new.system_id, wanted, now=now)


def _asks_payer(actor: Actor, new: NewCase, coverage: Coverage) -> bool:
    """Whether it can cost money that somebody has still to say yes to, in advance, here and now, or asked by mail."""
    decision = coverage.decision
    if not decision.can_cost or new.is_fyi or integrator_reads_alone(actor, coverage):
        # The job that keeps the integrator's coverage asks it.
        return False
    return decision.free_seconds == 0 or decision.authorization_needed or new.nte_minor is not None


def _use_standing_or_ask(session: Session, held: Held, new: NewCase, coverage: Coverage) -> None:
    """Where a standing authorization holds it may say yes; another case may just have taken the rest of its month."""
    if coverage.decision.free_seconds == 0 and authorizing.by_standing(session, held, coverage) is not None:
        return
    request = authorizing.ask(session, held, coverage, reason="Help may cost money.", nte_minor=new.nte_minor)
    _answer_at_once(session, held, new, coverage, request)


def _answer_at_once(
    session: Session, held: Held, new: NewCase, coverage: Coverage, request: AuthorizationRequest
) -> None:
    """A payer that opens the case itself says yes with it; an emergency does not wait for one that does not answer."""
    actor, decision = held.actor, coverage.decision
    is_payer = actor is not None and actor.organisation_id == request.payer_id and may_authorize_spending(actor)
    if is_payer and new.nte_minor is not None:
        authorizing.answer_yes(session, held, request.id, nte_minor=new.nte_minor, policy=coverage.terms.policy)
    elif decision.emergency is not None:
        wait = timedelta(seconds=decision.emergency.wait_seconds)
        enqueue(session, "begin_emergency", run_at=held.now + wait, request_id=request.id)


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
    said = case.circumstances
    asked = CoverageFacts(
        opener=Opener.CONTACT,
        severity=case.severity,
        task_class=TaskClass(case.task_class),
        product_line=line.code,
        customer_class=said.customer_class or None,
        requested=said.requested,
        distance=said.distance,
        level=said.level,
        channel=said.channel,
    )
    coverage = decide_for_case(session, case, system, before=asked, severity=case.severity, now=now)
    keep_coverage(session, coverage, case)
    if coverage.decision.authorization_needed:
        held = Held(case, None, now, None, None, None, answered=False)
        authorizing.ask(session, held, coverage, reason="Help may cost money.", nte_minor=None)
