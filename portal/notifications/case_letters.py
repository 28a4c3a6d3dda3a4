"""The letters about cases. Prices stand only in the letter that asks the payer; shares stand in none."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from portal.access import Audience, Side
from portal.cases import words
from portal.cases.models import CaseEvent, Challenge, CustodyOffer, Note, Resolution, SupportCase
from portal.cases.rules import may_read
from portal.directory.models import Organisation, Site
from portal.entitlement.models import AuthorizationRequest
from portal.entitlement.queries import request_state
from portal.identity.models import MailedLink
from portal.money import Money
from portal.notifications.letters import Writing, letter, link_is_open
from portal.notifications.rendering import Fact, Letter

QUOTED_AT_MOST = 2000


@letter("case_news")
def case_news(writing: Writing) -> Letter | None:
    """Somebody did something on a case of the recipient's."""
    event = writing.session.get_one(CaseEvent, int(writing.delivery.object_id))
    case = writing.session.get_one(SupportCase, event.case_id)
    organisation = writing.session.get_one(Organisation, event.owner_id)
    what = words.sentence(event.kind)
    return Letter(
        subject=f"{case.name} {case.title}: {event.person_name} {what}",
        greeting=writing.greeting,
        sentences=(f"{event.person_name} of {organisation.name} {what}.",),
        quote=_said(writing, event),
        facts=_facts(writing, case),
        button=("Open the case", writing.page(f"cases/{case.name}")),
    )


@letter("case_offered")
def case_offered(writing: Writing) -> Letter | None:
    """The recipient's company is asked to take a case."""
    offer = writing.session.get_one(CustodyOffer, int(writing.delivery.object_id))
    case = writing.session.get_one(SupportCase, offer.case_id)
    link = _open_link(writing)
    if case.offered_to_id != offer.to_id or link is None:
        return None
    organisation = writing.session.get_one(Organisation, offer.from_id)
    return Letter(
        subject=f"{case.name} {case.title}: waits to be taken",
        greeting=writing.greeting,
        sentences=(f"{organisation.name} offers you this case.",),
        quote=offer.reason[:QUOTED_AT_MOST] or case.symptom[:QUOTED_AT_MOST],
        facts=_facts(writing, case),
        button=("Take the case", writing.link(link.id)),
        aside=f"To read it first: {writing.page(f'cases/{case.name}')}",
    )


@letter("question_asked")
def question_asked(writing: Writing) -> Letter | None:
    """The other company needs to know something before it can go on."""
    note = writing.session.get_one(Note, int(writing.delivery.object_id))
    case = writing.session.get_one(SupportCase, note.case_id)
    link = _open_link(writing)
    if case.state != "waiting" or link is None:
        return None
    other = _open_link(writing, "other_link_id")
    return Letter(
        subject=f"{case.name} {case.title}: {note.person_name} asks",
        greeting=writing.greeting,
        sentences=(f"{note.person_name} needs an answer to go on.",),
        quote=note.body[:QUOTED_AT_MOST],
        facts=_facts(writing, case),
        button=("Answer", writing.link(link.id)),
        aside=f"To take the case back instead: {writing.link(other.id)}" if other is not None else "",
    )


@letter("resolution_to_confirm")
def resolution_to_confirm(writing: Writing) -> Letter | None:
    """The other company's manager is asked whether the resolution is right."""
    said = writing.session.get_one(Resolution, int(writing.delivery.object_id))
    case = writing.session.get_one(SupportCase, said.case_id)
    link = _open_link(writing)
    if case.state != "resolved" or link is None:
        return None
    return Letter(
        subject=f"{case.name} {case.title}: is the resolution right?",
        greeting=writing.greeting,
        sentences=(f"{said.person_name} resolved the case. Confirm it, or open the case to challenge it.",),
        quote=said.summary[:QUOTED_AT_MOST],
        facts=_facts(writing, case),
        button=("Look and confirm", writing.link(link.id)),
        aside=f"To challenge it: {writing.page(f'cases/{case.name}')}",
    )


@letter("authorization_request")
def authorization_request(writing: Writing) -> Letter | None:
    """The payer is asked for a yes up to an amount."""
    session = writing.session
    request = session.get_one(AuthorizationRequest, int(writing.delivery.object_id))
    case = session.get_one(SupportCase, request.case_id)
    link = _open_link(writing)
    if link is None or not request_state(session, request.id).is_open:
        return None
    upto = Money(request.nte_minor, request.currency)
    hours = f"{request.hours_seconds // 60} minutes more of your hours"
    asked = (*([f"use {hours}"] * bool(request.hours_seconds)), *([f"work up to {upto}"] * bool(request.nte_minor)))
    facts: tuple[Fact, ...] = (
        *([Fact("Of your hours left", hours)] * bool(request.hours_seconds)),
        *([Fact("Up to", str(upto))] * bool(request.nte_minor)),
        Fact("Per hour", str(Money(request.price_per_hour_minor, request.currency))),
        Fact("At least", str(Money(request.least_cost_minor, request.currency))),
    )
    if request.answer_by is not None:
        facts += (Fact("Please answer by", writing.when(request.answer_by)),)
    return Letter(
        subject=f"{case.name} {case.title}: may we {' and '.join(asked)}?",
        greeting=writing.greeting,
        sentences=(
            "Help on this case can cost you money. Nothing is billed without your yes, and never more than you allow."
            if request.nte_minor
            else "A case may use only so much of your hours without asking. No more of them is used without your yes.",
            request.reason,
        ),
        facts=(*facts, *_facts(writing, case)),
        button=("Look and answer", writing.link(link.id)),
        aside="The button shows what you would authorize; nothing happens before you confirm there.",
    )


@letter("neutral_asked")
def neutral_asked(writing: Writing) -> Letter | None:
    """The agreement's neutral is asked to decide a challenge."""
    raised = writing.session.get_one(Challenge, int(writing.delivery.object_id))
    case = writing.session.get_one(SupportCase, raised.case_id)
    link = _open_link(writing)
    if link is None:
        return None
    companies = [
        writing.session.get_one(Organisation, each).name for each in (case.manufacturer_id, case.integrator_id)
    ]
    return Letter(
        subject=f"{case.name}: please decide a challenge between {companies[0]} and {companies[1]}",
        greeting="Hello",
        sentences=(
            f"{companies[0]} and {companies[1]} named you in their agreement to decide what they cannot settle.",
            "The page shows the challenge and its evidence as they were when it was raised, and nothing else.",
        ),
        facts=(Fact("Case", case.name), Fact("Link works until", writing.when(link.expires_at))),
        button=("Read and decide", writing.link(link.id)),
    )


def _facts(writing: Writing, case: SupportCase) -> tuple[Fact, ...]:
    site = writing.session.get_one(Site, case.site_id)
    holder = writing.session.get_one(Organisation, case.holder_id)
    who = f"{holder.name} ({case.assignee_name})" if case.assignee_name else holder.name
    facts: tuple[Fact, ...] = (
        Fact("System", f"{case.system_name}, {case.system_serial}"),
        Fact("Site", site.name),
        Fact("Severity", str(case.severity)),
        Fact("With", who),
    )
    return (*facts, Fact("Due", writing.when(case.due_at))) if case.due_at is not None else facts


def _said(writing: Writing, event: CaseEvent) -> str:
    """What was written with the event, if the recipient's company may read it."""
    note = writing.session.scalars(
        select(Note).where(Note.case_id == event.case_id, Note.seq == event.seq)
    ).one_or_none()
    if note is None:
        return str(event.details.get("summary") or event.details.get("reason") or "")[:QUOTED_AT_MOST]
    reader = writing.session.get_one(Organisation, writing.delivery.organisation_id)
    author = writing.session.get_one(Organisation, note.owner_id)
    if not may_read(Audience(note.audience), owner=Side(author.side), reader=Side(reader.side)):
        return ""
    return note.body[:QUOTED_AT_MOST]


def _open_link(writing: Writing, which: str = "link_id") -> MailedLink | None:
    named = writing.delivery.facts.get(which)
    link = writing.session.get(MailedLink, UUID(named)) if named else None
    if link is None or not link_is_open(writing.session, link, writing.now):
        return None
    return link
