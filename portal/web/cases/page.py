"""The page of one case: whom it is with and until when, its story, clocks, custody, cover, authorization and work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_see_prices
from portal.billing.gathering import read_case
from portal.billing.supplements.beside import beside_case
from portal.billing.supplements.models import Supplement
from portal.billing.supplements.reading import SupplementView, supplements_of_case
from portal.cases import queries, rules
from portal.cases.models import PromiseRemedy, SupportCase
from portal.cases.queries import Dossier
from portal.cases.queries.timeline import TIMELINE_PAGE
from portal.contracts.entry import Gate
from portal.entitlement import queries as entitlement
from portal.entitlement.models import Authorization, AuthorizationBalance
from portal.entitlement.models import CoverageDecision as CoverageRow
from portal.entitlement.rules import CoverageDecision
from portal.metering import queries as metering
from portal.metering.rules import MODES, TASK_CLASSES, may_log_time
from portal.money import Money, round_half_up
from portal.rows import Facts
from portal.web.cases.blueprint import blueprint, case_named
from portal.web.cases.challenges import may_dispute
from portal.web.cases.claims import claim_lines
from portal.web.cases.cures import cures_of
from portal.web.cases.money import MoneyView, money_view
from portal.web.cases.notes import note_form
from portal.web.cases.parts import PartLine, part_lines
from portal.web.cases.resolution import may_see_weights
from portal.web.cases.severity import dispute_of
from portal.web.cases.steps import steps_of
from portal.web.cases.words import (
    CHANNEL_WORDS,
    CLOCK_WORDS,
    COMPANY_WORDS,
    DECISION_WORDS,
    RESOLVER_WORDS,
    SEVERITIES,
    STATE_TONES,
    SUBJECT_WORDS,
    state_words,
    story_line,
    told_facts,
    with_whom,
)
from portal.web.gate import anyone, current_actor, current_now, current_session, open_to
from portal.web.plans.authorizations import may_see_requests

FILTERS = {"": "Everything", "notes": "Notes", "custody": "Custody", "files": "Files", "money": "Money"}
ENDED = ("resolved", "closed")
SHOWN_RESOLUTION = {"resolution": "Resolution"}


@dataclass(frozen=True)
class Cover:
    """Coverage and price as kept with the case, for somebody who may read the price."""

    decision: CoverageDecision
    decided_at: datetime
    policy_version_id: int
    price: Money
    least: Money
    payer: str


@dataclass(frozen=True)
class Stretch:
    """One line of the custody history."""

    company: str
    name: str
    channel: str
    start: datetime
    end: datetime | None
    seconds: int


@blueprint.get("/cases/<name>")
@open_to(anyone)
def case(name: str) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = case_named(name)
    dossier = queries.dossier(session, actor, found, now=now)
    only = request.args.get("only", "")
    only = only if only in FILTERS or only in SHOWN_RESOLUTION else ""
    before = _seq(request.args.get("before"))
    entries = queries.timeline(session, actor, found, only=only or None, before_seq=before, ended=dossier.clocks)
    likely, rare = steps_of(found, dossier, actor)
    return render_template(
        "cases/case.html",
        case=found,
        dossier=dossier,
        with_whom=with_whom(found),
        state_words=state_words(found),
        state_tone=STATE_TONES[found.state],
        severities=SEVERITIES,
        task_classes=TASK_CLASSES,
        names=_company_names(found, dossier),
        likely=likely,
        rare=rare,
        story=[story_line(entry) for entry in entries],
        earlier=_earlier(entries),
        only=only,
        filters=FILTERS | (SHOWN_RESOLUTION if actor.side is not Side.CUSTOMER else {}),
        form=note_form(found),
        **_side_column(session, actor, found, dossier),
    )


def _side_column(session: Session, actor: Actor, found: SupportCase, dossier: Dossier) -> Mapping[str, Any]:
    rows = dossier.rows
    beside = beside_case(session, found.id) if found.state in ENDED else {}
    work, parts, money = _work_and_money(session, actor, found, beside)
    return {
        "money": money,
        "money_title": "What it comes to",
        "clock_words": CLOCK_WORDS,
        "company_words": COMPANY_WORDS,
        "custody": _stretches(found, dossier, current_now()),
        "cover": _cover(actor, rows[CoverageRow]),
        "requests": entitlement.request_states(rows),
        "authorizations": rows[Authorization],
        "answers_requests": may_see_requests(actor),
        "left": {row.authorization_id: row.left_minor for row in rows[AuthorizationBalance]},
        "money_of": Money,
        "work": work,
        "parts": parts,
        "modes": MODES,
        "may_log_time": may_log_time(actor) and found.state != "closed",
        "work_paid": _work_paid(session, found, rows[CoverageRow]) if may_see_prices(actor) else "",
        "work_waits": _work_waits(session, found, rows[CoverageRow]) if may_log_time(actor) else "",
        "timer_mode": "remote" if actor.side is Side.MANUFACTURER else "on_site",
        "issues": dossier.known_issues,
        "linked": dossier.linked,
        "resolver_words": RESOLVER_WORDS,
        "subject_words": SUBJECT_WORDS,
        "decision_words": DECISION_WORDS,
        "shows_weights": may_see_weights(actor),
        "may_dispute": may_dispute(actor),
        "dispute": dispute_of(rows, actor),
        "remedies": rows[PromiseRemedy],
        "told": told_facts(found),
        "claims": claim_lines(actor, beside),
        "supplements": _supplements(session, actor, found, has_any=bool(rows[PromiseRemedy] or beside.get(Supplement))),
        **cures_of(session, actor, found, rows[CoverageRow]),
    }


def _work_and_money(
    session: Session, actor: Actor, found: SupportCase, beside: Facts
) -> tuple[Sequence[metering.EntryState], Sequence[PartLine], MoneyView | None]:
    """The work, the parts, what both come to. A closed case has its bill; one without either nothing to show yet."""
    if found.state == "closed":
        return metering.entry_states(actor, beside), (), None
    if not may_see_prices(actor):
        return metering.entries_of_case(session, actor, found.id), (), None
    read = read_case(session, found)
    work = metering.entry_states(actor, read.rows)
    parts = part_lines(actor, read)
    has_work = bool(parts) or any(state.is_live for state in work)
    return work, parts, money_view(found, read=read) if has_work else None


def _work_waits(session: Session, found: SupportCase, decided: Sequence[CoverageRow]) -> str:
    """What has to be there before anybody works on the case."""
    if not decided or found.state == "closed":
        return ""
    return queries.waits_for(session, found, now=current_now(), kept=decided[-1])


def _work_paid(session: Session, found: SupportCase, decided: Sequence[CoverageRow]) -> str:
    """What pays for the work in advance; looked for only where work waits for that."""
    entry = entitlement.decision_of(decided[-1]).entry if decided and found.state != "closed" else None
    return queries.paid_ahead(session, found) if entry is not None and Gate.PREPAYMENT in entry.requires else ""


def _supplements(session: Session, actor: Actor, found: SupportCase, *, has_any: bool) -> Sequence[SupplementView]:
    """What moved beside the bill; read only where something has, or can have."""
    return supplements_of_case(session, actor, found.id) if has_any else ()


def _company_names(found: SupportCase, dossier: Dossier) -> Mapping[int, str]:
    ids = (found.manufacturer_id, found.integrator_id, found.customer_id)
    words = dict(zip(ids, ("Factory", "Integrator", "Customer"), strict=True))
    return {each: dossier.names.get(each, words[each]) for each in ids}


def _cover(actor: Actor, decided: Sequence[CoverageRow]) -> Cover | None:
    """The decision that the actor's side may read: what the integrator pays is not the customer's to see."""
    if not decided or not may_see_prices(actor):
        return None
    decision = entitlement.decision_of(decided[-1])
    return Cover(
        decision=decision,
        decided_at=decided[-1].decided_at,
        policy_version_id=decided[-1].policy_version_id,
        price=Money(round_half_up(decision.price_now.per_hour), decision.currency),
        least=Money(decision.least_minor, decision.currency),
        payer={"customer": "the customer", "integrator": "the integrator", "manufacturer": "the factory"}[
            decision.payer
        ],
    )


def _stretches(found: SupportCase, dossier: Dossier, now: datetime) -> list[Stretch]:
    """Who held the case when, the latest first."""
    ended_at = found.closed_at or now
    pairs = zip(dossier.history.custody, dossier.history.acceptances, strict=True)
    return [
        Stretch(
            company=COMPANY_WORDS[segment.company],
            name=acceptance.accepted_name,
            channel=CHANNEL_WORDS.get(acceptance.channel, ""),
            start=segment.start,
            end=segment.end,
            seconds=_seconds(segment, ended_at),
        )
        for segment, acceptance in pairs
    ][::-1]


def _seconds(segment: rules.Segment, ended_at: datetime) -> int:
    return max(0, int(((segment.end or ended_at) - segment.start).total_seconds()))


def _earlier(entries: Sequence[queries.Entry]) -> int | None:
    """Before which event the story goes on, when it was cut."""
    seqs = [entry.seq for entry in entries if entry.seq is not None]
    return min(seqs) if len(seqs) >= TIMELINE_PAGE else None


def _seq(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None
