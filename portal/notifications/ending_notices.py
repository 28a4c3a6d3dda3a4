"""What people are told of a plan that was ended at once by its buyer, or that Stripe did not end.

Who bought it reads what goes back; the companies read that it ended, and the rest on its page as far as they may see.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Role
from portal.directory.models import Organisation, Site
from portal.money import Money
from portal.notifications.actions import queue_letter
from portal.notifications.letters import Writing, letter
from portal.notifications.plan_notices import button_of, pays
from portal.notifications.recipients import people_with_role
from portal.notifications.rendering import Fact, Letter
from portal.payments import rules
from portal.payments.models import Intent
from portal.selling.models import Purchase, PurchaseStep
from portal.selling.queries import choices_of
from portal.selling.rules import Step


def notify_plan_end(session: Session, intent_id: str, now: datetime) -> None:
    """Tell the buyers, the site's integrator and the manufacturer how an end at once went; while it runs, nobody."""
    intent, row = _end(session, intent_id)
    if intent.state != rules.FAILED and not _has_ended(session, row):
        return
    site_id, roles = row.site_id, (Role.SERVICE_MANAGER, Role.FINANCE)
    told = [
        *people_with_role(session, row.customer_id, (Role.BUYER,), site_id=site_id),
        *people_with_role(session, row.manufacturer_id, (Role.FINANCE, Role.SUPPORT_LEAD)),
    ]
    held = choices_of(session, row)
    if held and held[-1].integrator_id is not None:
        told += people_with_role(session, held[-1].integrator_id, roles, site_id=site_id)
    name = "plan_not_ended" if intent.state == rules.FAILED else "plan_ended_now"
    for recipient in told:
        about, once = ("intent", intent_id), f"plan-end:{name}:{intent_id}"
        queue_letter(session, recipient, name, about=about, now=now, once=once)


@letter("plan_ended_now")
def plan_ended_now(writing: Writing) -> Letter | None:
    """A plan was ended at once."""
    session = writing.session
    intent, row = _end(session, writing.delivery.object_id)
    said = intent.request[rules.END_NOW]
    site, customer = session.get_one(Site, row.site_id), session.get_one(Organisation, row.customer_id)
    facts: tuple[Fact, ...] = (
        Fact("For", f"{customer.name}, {site.name}"),
        Fact("Ended", writing.when(datetime.fromisoformat(said["at"]))),
    )
    sentences: tuple[str, ...] = (
        f"{said['plan']} at {site.name} was ended at once by its buyer.",
        "A running case keeps its cover until it closes.",
    )
    if pays(writing, row):
        total, tax = (Money(said[name], row.currency) for name in ("total_minor", "tax_minor"))
        facts += (Fact("Goes back", f"{total}, of it sales tax {tax}" if said["tax_minor"] else str(total)),)
        sentences += (
            *said["sentences"],
            "It goes back the way it was paid; a card shows it within 5 to 10 business days.",
        )
    return Letter(
        subject=f"{site.name}: {said['plan']} was ended",
        greeting=writing.greeting,
        sentences=sentences,
        facts=facts,
        button=button_of(writing, row),
    )


@letter("plan_not_ended")
def plan_not_ended(writing: Writing) -> Letter | None:
    """Stripe did not end a plan, and nothing went back."""
    session = writing.session
    intent, row = _end(session, writing.delivery.object_id)
    if intent.state != rules.FAILED:
        return None
    site, customer = session.get_one(Site, row.site_id), session.get_one(Organisation, row.customer_id)
    plan = intent.request[rules.END_NOW]["plan"]
    sentences: tuple[str, ...] = (f"{plan} at {site.name} was not ended at once: it holds as before.",)
    if pays(writing, row):
        sentences += (intent.failure, "Try it again on its page, or have it end with its period.")
    return Letter(
        subject=f"{site.name}: {plan} was not ended",
        greeting=writing.greeting,
        sentences=sentences,
        facts=(Fact("For", f"{customer.name}, {site.name}"),),
        button=button_of(writing, row),
    )


def _end(session: Session, intent_id: str) -> tuple[Intent, Purchase]:
    intent = session.get_one(Intent, UUID(intent_id))
    of_checkout = Purchase.intent_id == UUID(intent.request["checkout_intent"])
    return intent, session.scalars(select(Purchase).where(of_checkout)).one()


def _has_ended(session: Session, row: Purchase) -> bool:
    mine = (PurchaseStep.purchase_id == row.id, PurchaseStep.kind == Step.ENDED)
    return session.scalar(select(PurchaseStep.id).where(*mine)) is not None
