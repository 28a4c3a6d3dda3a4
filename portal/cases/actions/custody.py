"""Who has the case: offer, accept, decline, hand back, take back; ask and answer; wait for something outside.

Custody moves by an acceptance only. An offer asks, a decline says no with a reason, a question leaves the case where it
is. A pause belongs to the case, not to a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Audience, may_do, may_work_cases
from portal.cases import clocks, rules
from portal.cases.actions.core import Held, hold, organisation_of, parties, record, running_state
from portal.cases.actions.movement import (
    accept_now,
    begin_waiting,
    move_custody,
    no_offer,
    open_offer,
    promises,
    respond,
    terms_of,
)
from portal.cases.actions.notes import NewNote, say
from portal.cases.models import (
    CaseClock,
    CasePause,
    CustodyAcceptance,
    CustodyDecline,
    CustodyOffer,
    Note,
    PauseEnd,
    SupportCase,
)
from portal.contracts.blocks import Company
from portal.contracts.promises import Moments
from portal.contracts.targets import ANSWER_CLOCKS, Clock, StartEvent
from portal.errors import Conflict, Invalid, NotAllowed
from portal.jobs import enqueue

# What a mailed link must allow for its holder to accept an offer.
LINK_ACT = "accept_custody"
LINK_OBJECT = "custody_offer"


def offer_custody(
    session: Session,
    actor: Actor,
    case: SupportCase,
    *,
    reason: str = "",
    new_information: bool = True,
    seq: int,
    now: datetime,
) -> CustodyOffer:
    """The integrator offers the case to the factory again, or for the first time after an FYI.

    Handed back and offered again soon without new information, the response clock goes on from where it began.
    *Raises*: NotFound, Stale, Conflict, NotAllowed.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.OFFER)
    was_fyi = held.case.is_fyi
    offer = _offer(session, held, Company.MANUFACTURER, "offered", reason, new_information=new_information)
    _start_response(session, held, new_information=new_information, all_clocks=was_fyi)
    return offer


def hand_back(
    session: Session, actor: Actor, case: SupportCase, *, reason: str, new_information: bool, seq: int, now: datetime
) -> CustodyOffer:
    """The factory hands the case back, such as for a visit to the site; it holds it until the integrator accepts.

    *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid without a reason.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.HAND_BACK)
    _need(reason, "reason", "Say what has to be done and why.")
    return _offer(session, held, Company.INTEGRATOR, "handed_back", reason, new_information=new_information)


def accept_custody(
    session: Session, actor: Actor, case: SupportCase, *, seq: int, channel: str = "page", now: datetime
) -> CustodyAcceptance | None:
    """Take the case for one's company and oneself; None where the company holds it already and a person takes it up.

    *Raises*: NotFound, Stale, Conflict, NotAllowed.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    if held.case.offered_to_id is None and _is_holder(held):
        _take_up(session, held)
        return None
    held.check(rules.Verb.ACCEPT)
    return accept_now(session, held, channel)


def accept_by_link(session: Session, actor: Actor, case: SupportCase, *, now: datetime) -> CustodyAcceptance:
    """Accept by the mailed link, which is good for one offer only. *Raises*: NotFound, NotAllowed, Conflict."""
    held = hold(session, actor, case.id, now=now)
    offer = open_offer(session, held)
    if offer.to_id != actor.organisation_id or not may_do(
        actor, LINK_ACT, LINK_OBJECT, str(offer.id), version=offer.seq
    ):
        raise Conflict("The offer this link was for is no longer open.")
    held.check(rules.Verb.ACCEPT)
    return accept_now(session, held, "link")


def accept_by_phone(
    session: Session, actor: Actor, case: SupportCase, *, accepted_name: str, seq: int, now: datetime
) -> CustodyAcceptance:
    """Write down that somebody of the offered company accepted on the telephone.

    *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid without a name.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    if not may_work_cases(actor):
        raise NotAllowed("This is not among your roles.")
    _need(accepted_name, "accepted_name", "Say who accepted.")
    open_offer(session, held)
    if held.case.state not in ("offered", "waiting"):
        raise Conflict("The case is not offered to anybody.")
    return accept_now(session, held, "phone", by_name=accepted_name.strip())


def decline_custody(
    session: Session, actor: Actor, case: SupportCase, *, reason: str, seq: int, now: datetime
) -> CustodyDecline:
    """Say no, with a reason; the case stays where it is. *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.DECLINE)
    _need(reason, "reason", "Say why.")
    offer = open_offer(session, held)
    decline = CustodyDecline(
        **parties(held.case), offer_id=offer.id, reason=reason.strip(), declined_by=actor.person_id, declined_at=now
    )
    session.add(decline)
    changes = no_offer(held)
    record(session, held, "declined", audience="companies", details={"reason": reason.strip()}, changes=changes)
    respond(session, held)
    _count_again(session, held)
    return decline


def withdraw_offer(session: Session, actor: Actor, case: SupportCase, *, seq: int, now: datetime) -> None:
    """The company that offered the case keeps it after all. *Raises*: NotFound, Stale, Conflict, NotAllowed."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.WITHDRAW_OFFER)
    to_factory = held.case.offered_to_id == held.case.manufacturer_id
    record(session, held, "offer_withdrawn", audience="companies", changes=no_offer(held))
    if to_factory:
        past = clocks.history(session, held.case, now)
        clocks.stop_clocks(session, held.case, ANSWER_CLOCKS, past, now=now, void=True)
    _count_again(session, held)


def take_back(session: Session, actor: Actor, case: SupportCase, *, seq: int, now: datetime) -> CustodyAcceptance:
    """The integrator takes its case back, asked or not. *Raises*: NotFound, Stale, Conflict, NotAllowed."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.TAKE_BACK)
    if held.case.offered_to_id == held.case.integrator_id:
        return accept_now(session, held, "page")
    return move_custody(session, held, Company.INTEGRATOR, "page", offer_id=None, kind="taken_back")


def ask_information(
    session: Session,
    actor: Actor,
    case: SupportCase,
    *,
    question: str,
    audience: Audience = Audience.COMPANIES,
    seq: int,
    now: datetime,
) -> Note:
    """Ask for what is missing; the case stays with who holds it. *Raises*: NotFound, Stale, Conflict, NotAllowed."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.ASK_INFORMATION)
    if audience is Audience.OWN:
        raise Invalid("A question needs somebody to answer it.", {"audience": "Choose who is asked."})
    held.case.state = "waiting"
    note = say(session, held, "asked", "question", NewNote(question, audience))
    dates = rules.unanswered_dates(terms_of(session, held).policy, now)
    if dates is not None:
        for run_at in filter(None, (dates.remind_at, dates.close_at)):
            enqueue(session, "watch_question", run_at=run_at, case_id=held.case.id)
    if rules.company_of(actor) is Company.MANUFACTURER:
        respond(session, held)
    return note


def answer_information(
    session: Session,
    actor: Actor,
    case: SupportCase,
    *,
    answer: str,
    upload_ids: Sequence[UUID] = (),
    audience: Audience | None = None,
    seq: int,
    now: datetime,
) -> Note:
    """Answer the question; an offer that it was about stands again. *Raises*: NotFound, Stale, Conflict, NotAllowed."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.ANSWER)
    readers = audience or rules.audiences_for(actor.side)[0]
    if readers is Audience.OWN:
        raise Invalid("An answer needs a reader.", {"audience": "Choose who reads the answer."})
    held.case.state = running_state(held.case)
    return say(session, held, "answered", "answer", NewNote(answer, readers, upload_ids))


def withdraw_question(session: Session, actor: Actor, case: SupportCase, *, seq: int, now: datetime) -> None:
    """The company that asked needs no answer any more. *Raises*: NotFound, Stale, Conflict, NotAllowed."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.WITHDRAW_QUESTION)
    record(
        session,
        held,
        "question_withdrawn",
        audience="companies",
        changes={"state": running_state(held.case)},
    )


def pause(
    session: Session,
    actor: Actor,
    case: SupportCase,
    *,
    reason: str,
    reason_code: str | None = None,
    seq: int,
    now: datetime,
) -> CasePause:
    """The case waits for something outside both companies; the clocks its reason stops stand still.

    Where the policy names reasons, ``reason_code`` is one of them and words are not needed.
    *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid without a reason.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    _must_hold(held, actor)
    named = {each.code: each.label for each in terms_of(session, held).policy.pause_reasons}
    if named and reason_code not in named:
        raise Invalid("Choose why the case waits.", {"reason_code": "Choose one of the policy's reasons."})
    code = reason_code if named else None
    reason = reason.strip() or named.get(code or "", "")
    _need(reason, "reason", "Say what the case waits for.")
    if clocks.history(session, held.case, now).paused:
        raise Conflict("The case is paused already.")
    paused = CasePause(**parties(held.case), reason=reason, reason_code=code, from_at=now, paused_by=actor.person_id)
    session.add(paused)
    record(session, held, "paused", details={"reason": reason, "reason_code": code})
    _count_again(session, held)
    return paused


def resume(session: Session, actor: Actor, case: SupportCase, *, seq: int, now: datetime) -> PauseEnd:
    """What was waited for has come. *Raises*: NotFound, Stale, Conflict, NotAllowed."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    _must_hold(held, actor)
    paused = session.scalars(
        select(CasePause)
        .outerjoin(PauseEnd, PauseEnd.pause_id == CasePause.id)
        .where(CasePause.case_id == case.id, PauseEnd.id.is_(None))
        .limit(1)
    ).one_or_none()
    if paused is None:
        raise Conflict("The case is not paused.")
    end = PauseEnd(**parties(held.case), pause_id=paused.id, ended_at=now)
    session.add(end)
    record(session, held, "resumed")
    _count_again(session, held)
    return end


def return_offers_of(session: Session, *, person_id: int, organisation_id: int, now: datetime) -> int:
    """A leaver's cases go back to the team: nobody in person has them; how many. A job's."""
    mine = session.scalars(
        select(SupportCase.id).where(
            SupportCase.assignee_id == person_id,
            SupportCase.holder_id == organisation_id,
            SupportCase.state != "closed",
        )
    ).all()
    for case_id in mine:
        held = hold(session, None, case_id, now=now)
        record(
            session,
            held,
            "taken_up",
            audience="companies",
            details={"team": True},
            changes={"assignee_id": None, "assignee_name": ""},
        )
    return len(mine)


def _offer(session: Session, held: Held, to: Company, kind: str, reason: str, *, new_information: bool) -> CustodyOffer:
    case, actor = held.case, held.actor
    if actor is None:
        raise NotAllowed("A person offers a case.")
    to_id = organisation_of(case, to)
    changes: dict[str, Any] = {"offered_to_id": to_id, "is_fyi": False}
    if case.state == "open":
        changes["state"] = "offered"
    record(session, held, kind, audience="companies", details={"reason": reason.strip()}, changes=changes)
    offer = CustodyOffer(
        **parties(case),
        seq=case.seq,
        from_id=actor.organisation_id,
        to_id=to_id,
        reason=reason.strip(),
        has_new_information=new_information,
        offered_by=actor.person_id,
        offered_at=held.now,
    )
    session.add(offer)
    session.flush()
    return offer


def _start_response(session: Session, held: Held, *, new_information: bool, all_clocks: bool) -> None:
    """Begin the response clock of an offer; a case the factory was only informed of has no other clocks yet either."""
    case, now = held.case, held.now
    terms = terms_of(session, held)
    specs = [spec for spec in promises(session, held, terms) if all_clocks or spec.clock in ANSWER_CLOCKS]
    past = clocks.history(session, case, now)
    last = past.acceptances[-1]
    previous = session.scalar(
        select(CaseClock.started_at)
        .where(CaseClock.case_id == case.id, CaseClock.kind == Clock.RESPONSE.value)
        .order_by(CaseClock.id.desc())
        .limit(1)
    )
    handed_back_at = last.from_at if len(past.acceptances) > 1 and last.company_id == case.integrator_id else None
    started_at = rules.clock_start(
        terms.policy, now, handed_back_at=handed_back_at, previous_start=previous, new_information=new_information
    )
    clocks.stop_clocks(session, case, ANSWER_CLOCKS, past, now=now, void=True)
    moments = Moments(case.opened_at, started_at, started_at, started_at)
    clocks.start_clocks(session, case, specs, terms, moments=moments)
    session.flush()
    begin_waiting(session, held, terms, StartEvent.ESCALATION, moments)
    clocks.set_due(session, case, past, now=now)


def _take_up(session: Session, held: Held) -> None:
    """A person of the company that holds the case takes it: for the factory, that is its response."""
    actor, case = held.actor, held.case
    if actor is None or not may_work_cases(actor):
        raise NotAllowed("This is not among your roles.")
    if case.state in ("resolved", "closed"):
        raise Conflict("The case is no longer open.")
    if case.assignee_id == actor.person_id:
        raise Conflict("You have this case already.")
    changes = {"assignee_id": actor.person_id, "assignee_name": actor.display_name}
    record(session, held, "taken_up", details={"company": case.holder_side}, changes=changes)
    respond(session, held)


def _is_holder(held: Held) -> bool:
    company = rules.company_of(held.actor) if held.actor is not None else None
    return company is not None and company == held.situation.holder


def _must_hold(held: Held, actor: Actor) -> None:
    if not may_work_cases(actor):
        raise NotAllowed("This is not among your roles.")
    if not _is_holder(held) or held.case.state in ("resolved", "closed"):
        raise Conflict("Only the company that holds an open case pauses it.")


def _count_again(session: Session, held: Held) -> None:
    session.flush()
    clocks.set_due(session, held.case, clocks.history(session, held.case, held.now), now=held.now)


def _need(text: str, name: str, sentence: str) -> None:
    if not text.strip():
        raise Invalid(sentence, {name: sentence})
