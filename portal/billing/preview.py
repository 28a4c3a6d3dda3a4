"""Money before the act: what a case costs as it stands or would be resolved, for those who may see it.

The same rating and the same splitting as the bill. A customer sees its own price only, the two companies each payer's;
shares are for those who may see them. Work that is not approved yet counts here, and is said to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import Actor, Audience, Side, may_see_prices, may_see_shares
from portal.billing.facts import BillingFacts, cover_of
from portal.billing.gathering import Gathered, View, facts_of, promised_hours, read_case
from portal.billing.outcome import Outcome
from portal.billing.queries import blocking_facts
from portal.billing.rules import Blocker, ItemPart, blockers_of, included_seconds, parts_by_payer, worth_minor
from portal.billing.splitting import split
from portal.billing.volumes import with_volumes
from portal.cases.models import SupportCase
from portal.contracts.policy import Policy
from portal.contracts.rules import plan_named
from portal.contracts.sharing import Share
from portal.entitlement.queries import SiteCover, site_cover
from portal.entitlement.rules.bought import pack_states
from portal.entitlement.rules.decision import PackLeft
from portal.entitlement.terms import packs_left
from portal.errors import NotAllowed
from portal.ledger.queries import open_period
from portal.metering.models import TimeEntry
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
    session: Session,
    actor: Actor,
    case: SupportCase,
    *,
    now: datetime,
    outcome: Outcome | None = None,
    read: Gathered | None = None,
) -> MoneyPreview:
    """What the case would be billed now, or with the outcome that a resolution would give it.

    ``read`` is what the page has read of it already.
    *Raises*: NotAllowed for an actor who sees no prices.
    """
    if not may_see_prices(actor):
        raise NotAllowed("Prices are for the companies of the case.")
    read = read_case(session, case) if read is None else read
    entries, unapproved = _entries(actor, read)
    policy = read.documents.policy
    here = site_cover(
        session, site_id=case.site_id, manufacturer_id=case.manufacturer_id, policy=policy, at=case.opened_at
    )
    # The servicing integrator may be another than when the plan was chosen: then it reads the plan, not the choice.
    cover = cover_of(read.documents, read.choices, case) if read.choices else _cover(policy, here, case)
    packs = packs_left(session, here, case.opened_at)
    view = View(entries, cover, _grants(read, here, packs), outcome)
    facts = facts_of(session, read, view=view)
    rated = rate(facts.facts, facts.work, facts.grants, facts.tariff)
    parts = [part for part in parts_by_payer(rated) if actor.side is not Side.CUSTOMER or part.payer == CUSTOMER]
    return MoneyPreview(
        currency=facts.tariff.currency,
        payers=tuple(_payer(facts, part) for part in parts),
        included_seconds=sum(sum(included_seconds(part.rated).values()) for part in parts),
        unapproved_seconds=unapproved,
        blockers=blockers_of(blocking_facts(read.rows, now=now)),
        shares=_shares(with_volumes(session, facts, open_period(session, case.manufacturer_id)), parts)
        if may_see_shares(actor)
        else None,
    )


def _entries(actor: Actor, read: Gathered) -> tuple[list[TimeEntry], int]:
    """The live entries the actor may read, and the seconds of those that are not approved."""
    entries = [row for row in read.live_entries if actor.side is not Side.CUSTOMER or row.audience == Audience.CUSTOMER]
    approved = read.approved_ids
    return entries, sum(row.seconds for row in entries if row.id not in approved)


def _cover(policy: Policy, here: SiteCover, case: SupportCase) -> tuple[Cover, ...]:
    return (Cover(case.opened_at, plan_named(policy, here.plan_code).code),)


def _grants(read: Gathered, here: SiteCover, packs: Sequence[PackLeft]) -> tuple[GrantState, ...]:
    """What is promised to the case, and the free hours; rating keeps them to what the case may use."""
    free = (GrantState(_FREE_HOURS, INCLUDED_GRANT, here.included_seconds),) if here.included_seconds else ()
    return (*promised_hours(read), *free, *pack_states(packs, None))


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
