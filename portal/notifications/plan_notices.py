"""What people are told of a plan that is paid by subscription: it was changed, or a change of it was not made.

Who bought it reads what it costs and why it was not changed; the companies read which plan holds from when on, and the
rest on its page as far as they may see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Role
from portal.contracts import queries as contracts
from portal.contracts.models import PlanChoice
from portal.contracts.rules import plan_named
from portal.directory.models import Organisation, Site
from portal.money import Money
from portal.notifications.actions import queue_letter
from portal.notifications.letters import Writing, letter
from portal.notifications.recipients import people_with_role
from portal.notifications.rendering import Fact, Letter
from portal.payments import rules
from portal.payments.models import Intent, SubscriptionBill
from portal.selling.models import Purchase
from portal.selling.queries import choices_of
from portal.selling.rules import Kind, item_named

_INTERVALS = {"month": "a month", "year": "a year"}


@dataclass(frozen=True)
class _Change:
    """A change of plan: its order, the choice it became (None where it was not made), and the one it follows."""

    intent: Intent
    purchase: Purchase
    taken: PlanChoice | None
    before: PlanChoice | None

    @property
    def has_failed(self) -> bool:
        return self.taken is None and self.intent.state == rules.FAILED

    @property
    def integrator_id(self) -> int | None:
        """Who services the site under the plan, which need not be who sold it first."""
        holds = self.taken or self.before
        return holds.integrator_id if holds is not None else None


def notify_plan_change(session: Session, intent_id: str, now: datetime) -> None:
    """Tell the buyers, the site's integrator and the manufacturer how a change of plan ended; while it runs, nobody."""
    change = _change(session, intent_id)
    if change.taken is None and not change.has_failed:
        return
    row, site_id = change.purchase, change.purchase.site_id
    told = [
        *people_with_role(session, row.customer_id, (Role.BUYER,), site_id=site_id),
        *people_with_role(session, row.manufacturer_id, (Role.FINANCE, Role.SUPPORT_LEAD)),
    ]
    if change.integrator_id is not None:
        roles = (Role.SERVICE_MANAGER, Role.FINANCE)
        told += people_with_role(session, change.integrator_id, roles, site_id=site_id)
    name = "plan_not_changed" if change.has_failed else "plan_changed"
    for recipient in told:
        about, once = ("intent", intent_id), f"plan-change:{intent_id}"
        queue_letter(session, recipient, name, about=about, now=now, once=once)


@letter("plan_changed")
def plan_changed(writing: Writing) -> Letter | None:
    """Another plan holds, or will from the next period on."""
    session, change = writing.session, _change(writing.session, writing.delivery.object_id)
    taken, before, row = change.taken, change.before, change.purchase
    if taken is None:
        return None
    site, after = session.get_one(Site, row.site_id), _plan_name(session, taken)
    at_once = rules.is_at_once(change.intent.request)
    held = _plan_name(session, before) if before is not None else row.name
    how = "took the place of" if at_once else "follows"
    sentences: tuple[str, ...] = (f"At {site.name} {after} {how} {held}.",)
    if at_once:
        sentences += ("Work that is done from then on is covered by it, on running cases too.",)
    customer = session.get_one(Organisation, row.customer_id)
    facts = (Fact("For", f"{customer.name}, {site.name}"), Fact("Holds from", writing.when(taken.from_at)))
    return Letter(
        subject=f"{site.name}: {after} " + ("holds now" if at_once else f"follows {held}"),
        greeting=writing.greeting,
        sentences=sentences,
        facts=facts + (_costs(session, change, taken) if pays(writing, row) else ()),
        button=button_of(writing, row),
    )


@letter("plan_not_changed")
def plan_not_changed(writing: Writing) -> Letter | None:
    """A change of plan was not made, and nothing was charged for it."""
    session, change = writing.session, _change(writing.session, writing.delivery.object_id)
    if not change.has_failed:
        return None
    row, said = change.purchase, change.intent.request["plan"]
    site = session.get_one(Site, row.site_id)
    interval = said.get("interval", row.interval)
    wanted = _named(session, said["version_id"], said["code"])
    held = _plan_name(session, change.before) if change.before is not None else row.name
    sentences: tuple[str, ...] = (f"The plan of {site.name} was not changed to {wanted}: {held} holds as before.",)
    button = button_of(writing, row)
    if pays(writing, row):
        sentences += (change.intent.failure,)
        if change.intent.progress.get(rules.FIGURES_MOVED):
            sentences += ("Its page shows what it charges now; you can say yes to that.",)
            again = f"bought/{row.form_key}/change/now/{said['code']}/{interval}"
            button = ("See the new figures", writing.page(again))
    customer = session.get_one(Organisation, row.customer_id)
    return Letter(
        subject=f"{site.name}: the plan was not changed to {wanted}",
        greeting=writing.greeting,
        sentences=sentences,
        facts=(Fact("For", f"{customer.name}, {site.name}"),),
        button=button,
    )


def _costs(session: Session, change: _Change, taken: PlanChoice) -> tuple[Fact, ...]:
    """What was charged at once, and what a period costs."""
    bill = session.scalars(
        select(SubscriptionBill).where(SubscriptionBill.change_intent_id == change.intent.id)
    ).one_or_none()
    charged: tuple[Fact, ...] = ()
    if bill is not None:
        total, tax = (Money(minor, bill.currency) for minor in (bill.amount_minor + bill.tax_minor, bill.tax_minor))
        charged = (Fact("Charged", f"{total}, of it sales tax {tax}" if bill.tax_minor else str(total)),)
    interval = str(taken.terms.get("interval", change.purchase.interval))
    policy = contracts.policy_of(contracts.version(session, taken.version_id))
    item = item_named(policy, Kind.PLAN, taken.plan_code, interval)
    price = Money(item.price_minor, item.currency)
    return (*charged, Fact("Price", f"{price} {_INTERVALS[interval]} without tax"))


def pays(writing: Writing, row: Purchase) -> bool:
    return writing.delivery.organisation_id == row.customer_id


def button_of(writing: Writing, row: Purchase) -> tuple[str, str]:
    """The page of the plan; who services its site by now, but was no party of the order, sees its sites."""
    if writing.delivery.organisation_id in (row.customer_id, row.manufacturer_id, row.integrator_id):
        return ("Look at the plan", writing.page(f"bought/{row.form_key}"))
    return ("See your sites", writing.page("systems"))


def _change(session: Session, intent_id: str) -> _Change:
    intent = session.get_one(Intent, UUID(intent_id))
    of_checkout = Purchase.intent_id == UUID(intent.request["checkout_intent"])
    purchase = session.scalars(select(Purchase).where(of_checkout)).one()
    choices = choices_of(session, purchase)
    place = next((n for n, each in enumerate(choices) if each.terms.get("change_intent") == intent_id), len(choices))
    taken = choices[place] if place < len(choices) else None
    return _Change(intent, purchase, taken, choices[place - 1] if place else None)


def _plan_name(session: Session, choice: PlanChoice) -> str:
    return _named(session, choice.version_id, choice.plan_code)


def _named(session: Session, version_id: int, code: str) -> str:
    return plan_named(contracts.policy_of(contracts.version(session, version_id)), code).name
