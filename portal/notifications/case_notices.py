"""Who is told of what happened on a case, and which of them get a link that acts.

A reader of the event's audience only, never the person who did it. Whoever is offered a case gets a link that accepts
it, a payer one that authorizes, a neutral one that decides; a link is good for one recipient, one act, one version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import OneAct, Role
from portal.cases import words
from portal.cases.actions import custody
from portal.cases.actions.challenge import LINK_ACT, LINK_OBJECT, LINK_VERSION
from portal.cases.models import (
    CaseEvent,
    Challenge,
    ChallengeStep,
    CustodyAcceptance,
    CustodyOffer,
    Note,
    Resolution,
    SupportCase,
)
from portal.contracts import queries as contracts
from portal.contracts.rules import split_terms
from portal.entitlement import actions as entitlement
from portal.entitlement.models import AuthorizationRequest
from portal.entitlement.queries import request_state, standing_at
from portal.identity import links
from portal.identity.models import MailedLink
from portal.identity.rules import LINK_DAYS
from portal.jobs import enqueue
from portal.notifications.actions import Recipient, queue_letters
from portal.notifications.recipients import people, people_with_role, people_with_role_in

FACTORY_DESK = (Role.ENGINEER, Role.SUPPORT_LEAD)
MANAGERS = (Role.SERVICE_MANAGER, Role.SUPPORT_LEAD)
PURSE = {"customer": (Role.BUYER,), "integrator": (Role.SERVICE_MANAGER, Role.FINANCE)}

# What an approver has to answer before the next one is asked, where nothing is down.
NEXT_APPROVER_AFTER = timedelta(minutes=30)

# The names by which a letter finds its links.
_LINKS = ("link_id", "other_link_id")

# Told to the people of the case; what is missing here is read in the timeline only.
_TO_PARTICIPANTS = frozenset(
    {
        "accepted", "taken_back", "declined", "answered", "noted", "attached", "severity_changed",
        "circumstances_corrected",
        "severity_decided", "resolved",
        "confirmed", "reopened", "closed", "authorized", "authorization_refused", "emergency_begun", "ratified",
        "ratification_refused", "fixed_confirmed", "workaround_given", "arrived_on_site", "promise_at_risk",
        "reminded", "closing_soon", "part_delivered",
    }
)  # fmt: skip
_TO_MANAGERS = frozenset(
    {
        "challenged", "outcome_proposed", "ladder_climbed", "challenge_decided", "silence_to_manager", "second_notice",
        "promise_missed", "management_told", "severity_challenged",
    }
)  # fmt: skip
_OFFERS = frozenset({"offered", "handed_back"})


def notify_case_event(session: Session, event_id: int, *, secret: str, now: datetime) -> None:
    """Queue the letters of one event; again is harmless."""
    event = session.get_one(CaseEvent, event_id)
    case = session.get_one(SupportCase, event.case_id)
    if event.kind in _OFFERS or (event.kind == "opened" and case.offered_to_id is not None):
        _tell_offered(session, event, case, secret=secret, now=now)
    if event.kind == "asked":
        _tell_asked(session, event, case, secret=secret, now=now)
    if event.kind == "resolved":
        _tell_resolved(session, event, case, secret=secret, now=now)
    if event.kind in _TO_PARTICIPANTS:
        _tell(session, event, _participants(session, event, case), now)
    if event.kind == "circumstances_corrected" and event.details["dearer_for"] in PURSE:
        side = event.details["dearer_for"]
        payer_id = case.customer_id if side == "customer" else case.integrator_id
        _tell(session, event, people_with_role(session, payer_id, PURSE[side], site_id=case.site_id), now)
    if event.kind in _TO_MANAGERS:
        both = {case.manufacturer_id, case.integrator_id}
        _tell(session, event, people_with_role_in(session, both, MANAGERS, site_id=case.site_id), now)


def notify_authorization_request(
    session: Session, request_id: int, *, secret: str, now: datetime, place: int = 0
) -> None:
    """Ask the payer's purse by mail, each by an own link: those the standing authorization names in their order.

    The next of them is asked when the one before has not answered for a while; an emergency has asked all of them
    before it goes on without a yes.
    """
    request = session.get_one(AuthorizationRequest, request_id)
    if not request_state(session, request_id).is_open:
        return
    case = session.get_one(SupportCase, request.case_id)
    side = "customer" if request.payer_id == case.customer_id else "integrator"
    if request.payer_id == case.manufacturer_id:
        return
    act = OneAct(entitlement.LINK_ACT, entitlement.LINK_OBJECT, str(request.id), entitlement.LINK_VERSION)
    purse = people_with_role(session, request.payer_id, PURSE[side], site_id=case.site_id)
    approvers = _approvers(session, case, purse, now)
    asked = approvers[place : place + 1] if approvers else purse
    _with_link(session, asked, act, "authorization_request", secret=secret, now=now)
    if place + 1 < len(approvers):
        wait = _next_approver_after(session, case, request, len(approvers))
        enqueue(session, "notify_authorization_request", run_at=now + wait, request_id=request.id, place=place + 1)


def notify_neutral(session: Session, challenge_id: int, *, secret: str, now: datetime) -> None:
    """Mail the agreement's neutral the link to decide a challenge."""
    raised = session.get_one(Challenge, challenge_id)
    case = session.get_one(SupportCase, raised.case_id)
    policy = contracts.policy_in_force(session, case.manufacturer_id, case.opened_at).policy
    found = contracts.agreement_in_force(session, case.manufacturer_id, case.integrator_id, case.opened_at)
    ladder = split_terms(policy, found.agreement if found else None).challenge
    if ladder.neutral_mail is None:
        return
    act = OneAct(LINK_ACT, LINK_OBJECT, str(challenge_id), LINK_VERSION)
    recipient = Recipient(case.manufacturer_id, ladder.neutral_mail)
    ends_at = session.scalar(
        select(ChallengeStep.due_at).where(ChallengeStep.challenge_id == raised.id, ChallengeStep.rung == "neutral")
    )
    # The neutral has no other way in, so the link has to last as long as the neutral's days.
    lasts = max(LINK_DAYS, ends_at - now) if ends_at else LINK_DAYS
    _with_link(session, [recipient], act, "neutral_asked", secret=secret, now=now, lasts=lasts)


def _next_approver_after(
    session: Session, case: SupportCase, request: AuthorizationRequest, approver_count: int
) -> timedelta:
    """How long an approver has before the next one is asked."""
    if not request.is_emergency:
        return NEXT_APPROVER_AFTER
    policy = contracts.policy_in_force(session, case.manufacturer_id, case.opened_at).policy
    return timedelta(minutes=policy.emergency.wait_minutes) / approver_count


def _approvers(session: Session, case: SupportCase, purse: Sequence[Recipient], now: datetime) -> list[Recipient]:
    """Those of the purse whom the site's standing authorization names, in its order."""
    standing = standing_at(session, site_id=case.site_id, manufacturer_id=case.manufacturer_id, now=now)
    by_person = {recipient.person_id: recipient for recipient in purse}
    return [by_person[each] for each in standing.approver_ids if each in by_person] if standing else []


def _tell_offered(session: Session, event: CaseEvent, case: SupportCase, *, secret: str, now: datetime) -> None:
    offer = session.scalars(
        select(CustodyOffer).where(CustodyOffer.case_id == case.id).order_by(CustodyOffer.seq.desc()).limit(1)
    ).one_or_none()
    if offer is None or case.offered_to_id != offer.to_id:
        return
    act = OneAct(custody.LINK_ACT, custody.LINK_OBJECT, str(offer.id), offer.seq)
    others = [each for each in _who_may_take(session, offer, case) if each.person_id != event.person_id]
    _with_link(session, others, act, "case_offered", secret=secret, now=now)


def _tell_asked(session: Session, event: CaseEvent, case: SupportCase, *, secret: str, now: datetime) -> None:
    """Whoever is asked gets a link that answers; an integrator whose case the factory holds one that takes it back."""
    question = session.scalars(
        select(Note).where(Note.case_id == case.id, Note.seq == event.seq, Note.kind == "question")
    ).one_or_none()
    if question is None:
        return
    held = session.scalars(
        select(CustodyAcceptance).where(CustodyAcceptance.case_id == case.id).order_by(CustodyAcceptance.seq.desc())
    ).first()
    answer = OneAct(*words.ANSWER_LINK, str(question.id), question.seq)
    asked_id = case.integrator_id if event.owner_id == case.manufacturer_id else case.manufacturer_id
    may_take_back = held is not None and asked_id == case.integrator_id and held.company_id == case.manufacturer_id
    also = OneAct(*words.TAKE_BACK_LINK, str(case.id), held.seq) if held is not None and may_take_back else None
    asked = people(session, [asked_id], _people_of(session, case))
    _with_link(session, asked, answer, "question_asked", also=also, secret=secret, now=now)


def _tell_resolved(session: Session, event: CaseEvent, case: SupportCase, *, secret: str, now: datetime) -> None:
    """The other company's managers get a link that confirms."""
    said = session.get(Resolution, event.details.get("resolution_id"))
    if said is None or case.manufacturer_id == case.integrator_id:
        return
    other_id = case.integrator_id if said.company_id == case.manufacturer_id else case.manufacturer_id
    act = OneAct(*words.CONFIRM_LINK, str(said.id), said.seq)
    managers = people_with_role(session, other_id, MANAGERS, site_id=case.site_id)
    _with_link(session, managers, act, "resolution_to_confirm", secret=secret, now=now)


def _who_may_take(session: Session, offer: CustodyOffer, case: SupportCase) -> Sequence[Recipient]:
    if offer.to_id == case.manufacturer_id:
        return people_with_role(session, offer.to_id, FACTORY_DESK, site_id=case.site_id)
    known = people(session, [offer.to_id], _people_of(session, case))
    return known or people_with_role(
        session, offer.to_id, (Role.SERVICE_MANAGER, Role.TECHNICIAN), site_id=case.site_id
    )


def _participants(session: Session, event: CaseEvent, case: SupportCase) -> Sequence[Recipient]:
    return people(session, _readers(event, case), _people_of(session, case))


def _people_of(session: Session, case: SupportCase) -> set[int]:
    """Who opened, works on or has written on the case."""
    wrote = session.scalars(select(Note.person_id).where(Note.case_id == case.id, Note.person_id.is_not(None)))
    return {case.opened_by, *(person_id for person_id in wrote if person_id)} | (
        {case.assignee_id} if case.assignee_id else set()
    )


def _readers(event: CaseEvent, case: SupportCase) -> set[int]:
    both = {case.manufacturer_id, case.integrator_id}
    readers: Mapping[str, set[int]] = {
        "own": {event.owner_id},
        "companies": both | {event.owner_id},
        "customer": both | {case.customer_id},
    }
    return readers[event.audience]


def _tell(session: Session, event: CaseEvent, recipients: Iterable[Recipient], now: datetime) -> None:
    told: dict[Recipient, dict[str, str]] = {
        recipient: {} for recipient in recipients if recipient.person_id != event.person_id or event.person_id is None
    }
    queue_letters(session, told, "case_news", about=("case_event", event.id), now=now, once=f"event:{event.id}")


def _with_link(
    session: Session,
    recipients: Iterable[Recipient],
    act: OneAct,
    template: str,
    *,
    secret: str,
    now: datetime,
    also: OneAct | None = None,
    lasts: timedelta = LINK_DAYS,
) -> None:
    """Queue a letter with its links to each; the same letter queued before keeps its links and makes no second ones."""
    made = {
        recipient: [_link(recipient, each, secret=secret, now=now, lasts=lasts) for each in (act, also) if each]
        for recipient in recipients
    }
    facts = {
        recipient: {name: str(link.id) for name, link in zip(_LINKS, given, strict=False)}
        for recipient, given in made.items()
    }
    about = (act.object_type, act.object_id)
    queued = queue_letters(session, facts, template, about=about, now=now, once=":".join(about))
    session.add_all([link for recipient in queued for link in made[recipient]])
    session.flush()


def _link(recipient: Recipient, act: OneAct, *, secret: str, now: datetime, lasts: timedelta) -> MailedLink:
    return links.new_link(
        act,
        secret=secret,
        organisation_id=recipient.organisation_id,
        email=recipient.email,
        person_id=recipient.person_id,
        now=now,
        lasts=lasts,
    )
