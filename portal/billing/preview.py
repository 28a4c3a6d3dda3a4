"""Money before the act: what a case costs as it stands or would be resolved, for those who may see it.

The same rating and the same splitting as the bill. A customer sees its own price only, the two companies each payer's;
shares are for those who may see them. Work that is not approved yet counts here, and is said to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.access import Actor, Audience, Side, may_see_prices, may_see_shares
from portal.billing.facts import BillingFacts, View, cover_of, documents_of, gather, promised_grants
from portal.billing.outcome import Outcome
from portal.billing.queries import blockers
from portal.billing.rules import Blocker, ItemPart, included_seconds, parts_by_payer, worth_minor
from portal.billing.splitting import split
from portal.cases.models import SupportCase
from portal.contracts.policy import Policy
from portal.contracts.queries import plan_choices
from portal.contracts.rules import plan_named
from portal.contracts.sharing import Share
from portal.entitlement.queries import SiteCover, site_cover
from portal.errors import NotAllowed
from portal.metering.models import TimeApproval, TimeEntry, TimeReversal
from portal.rating.engine import rate
from portal.rating.explanation import explain
from portal.rating.facts import CUSTOMER, INCLUDED_GRANT, INTEGRATOR, Cover, GrantState
from portal.rating.words import line_words

# Hours that no work was promised yet have no grant of their own here.
_FREE_HOURS = 0


@dataclass(frozen=True)
class MoneyLine:
    """A line as it would be billed, in words."""

    kind: str
    bearer: str
    seconds: int
    amount_minor: int
    list_amount_minor: int
    sentence: str


@dataclass(frozen=True)
class PayerPreview:
    """What one side would pay: ``authorized_minor`` is what it has said yes to."""

    payer: str
    payer_id: int
    amount_minor: int
    list_amount_minor: int
    authorized_minor: int
    lines: tuple[MoneyLine, ...]


@dataclass(frozen=True)
class MoneyPreview:
    """A case's money as one actor may see it; ``shares`` None for those who may not see them."""

    currency: str
    payers: tuple[PayerPreview, ...]
    included_seconds: int
    unapproved_seconds: int
    blockers: tuple[Blocker, ...]
    shares: tuple[Share, ...] | None


def case_money_preview(
    session: Session, actor: Actor, case: SupportCase, *, now: datetime, outcome: Outcome | None = None
) -> MoneyPreview:
    """What the case would be billed now, or with the outcome that a resolution would give it.

    *Raises*: NotAllowed for an actor who sees no prices.
    """
    if not may_see_prices(actor):
        raise NotAllowed("Prices are for the companies of the case.")
    entries, unapproved = _entries(session, actor, case)
    documents = documents_of(session, case)
    policy = documents.policy
    here = site_cover(
        session, site_id=case.site_id, manufacturer_id=case.manufacturer_id, policy=policy, at=case.opened_at
    )
    choices = plan_choices(session, site_id=case.site_id, manufacturer_id=case.manufacturer_id)
    # The servicing integrator may be another than when the plan was chosen: then it reads the plan, not the choice.
    cover = cover_of(documents, choices, case) if choices else _cover(policy, here, case)
    view = View(entries, cover, _grants(session, case, policy, here), outcome)
    facts = gather(session, case, view=view)
    rated = rate(facts.facts, facts.work, facts.grants, facts.tariff)
    parts = [part for part in parts_by_payer(rated) if actor.side is not Side.CUSTOMER or part.payer == CUSTOMER]
    return MoneyPreview(
        currency=facts.tariff.currency,
        payers=tuple(_payer(facts, part) for part in parts),
        included_seconds=sum(sum(included_seconds(part.rated).values()) for part in parts),
        unapproved_seconds=unapproved,
        blockers=blockers(session, case, now=now),
        shares=_shares(facts, parts) if may_see_shares(actor) else None,
    )


def _entries(session: Session, actor: Actor, case: SupportCase) -> tuple[list[TimeEntry], int]:
    """The live entries the actor may read, and the seconds of those that are not approved."""
    approved = exists().where(TimeApproval.entry_id == TimeEntry.id)
    statement = (
        select(TimeEntry, approved)
        .where(TimeEntry.case_id == case.id, ~exists().where(TimeReversal.entry_id == TimeEntry.id))
        .order_by(TimeEntry.started_at, TimeEntry.id)
    )
    if actor.side is Side.CUSTOMER:
        statement = statement.where(TimeEntry.audience == Audience.CUSTOMER)
    rows = session.execute(statement).all()
    return [row[0] for row in rows], sum(row[0].seconds for row in rows if not row[1])


def _cover(policy: Policy, here: SiteCover, case: SupportCase) -> tuple[Cover, ...]:
    return (Cover(case.opened_at, plan_named(policy, here.plan_code).code),)


def _grants(session: Session, case: SupportCase, policy: Policy, here: SiteCover) -> tuple[GrantState, ...]:
    """What is promised to the case, and what of the free hours it may still use without asking."""
    promised = promised_grants(session, case.id)
    plan = plan_named(policy, here.plan_code)
    room = here.included_seconds
    if plan.standing_minutes_per_case is not None:
        used = sum(grant.remaining_seconds for grant in promised)
        room = min(room, max(plan.standing_minutes_per_case * 60 - used, 0))
    return (*promised, GrantState(_FREE_HOURS, INCLUDED_GRANT, room)) if room else promised


def _payer(facts: BillingFacts, part: ItemPart) -> PayerPreview:
    case = facts.case
    payer_id = case.integrator_id if part.payer == INTEGRATOR else case.customer_id
    shown = explain(part.rated)["lines"]
    return PayerPreview(
        part.payer,
        payer_id,
        part.rated.amount_minor,
        part.rated.list_amount_minor,
        sum(yes.nte_minor for yes in facts.authorizations if yes.payer_id == payer_id),
        tuple(
            MoneyLine(
                line.kind,
                line.bearer,
                line.seconds,
                line.amount_minor,
                line.list_amount_minor,
                line_words(words, facts.tariff.currency),
            )
            for line, words in zip(part.rated.lines, shown, strict=True)
        ),
    )


def _shares(facts: BillingFacts, parts: list[ItemPart]) -> tuple[Share, ...]:
    parties = facts.parties
    policy = facts.documents.policy
    return tuple(
        share
        for part in parts
        for share in split(
            facts,
            parties,
            part.rated.lines,
            payer=part.payer,
            amount_minor=part.rated.amount_minor,
            use_minor=worth_minor(policy, included_seconds(part.rated)),
        )
    )
