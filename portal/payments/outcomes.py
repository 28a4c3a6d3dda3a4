"""Writing down a call before it is made and its outcome after it: the state changes of intents.

Invariants: an attempt is a row before its call; a refusal that waiting can cure (balance, capability) puts the intent
back to planned under a new generation, any other ends it with the reason; success is booked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.directory.models import DeploymentFact
from portal.errors import Conflict, NotFound, ProviderTrouble, RuleBroken
from portal.jobs import enqueue
from portal.payments import queries, rules
from portal.payments.actions import plan_customer
from portal.payments.models import ConnectedAccount, Intent, IntentAttempt, ProviderCustomer
from portal.payments.payers.losing import BY_CALL, lose_customer
from portal.payments.provider import ACTIVE, RefundState, Refused
from portal.payments.refunding import book_refund, refund_facts
from portal.payments.taxing.booking import book_tax
from portal.payments.taxing.locating import TRIED, with_payer
from portal.payments.transferring import CLAW_BACK, book_reversal, book_transfer

WAITING_SENTENCES = {
    "": "",
    rules.WAITS_FOR_BALANCE: "Waits until the Stripe balance in {currency} covers it.",
    rules.WAITS_FOR_PARTY: "Waits until the party's account at Stripe covers what is taken back.",
    rules.WAITS_FOR_ACCOUNT: "Waits until the receiving account may receive transfers.",
    rules.WAITS_FOR_ADDRESS: "Waits for the payer's address: without it Stripe reckons no tax. Say it under Bills.",
}


@dataclass(frozen=True)
class Call:
    """One call as it was committed: the step, its key, the request, and the ids that earlier steps made."""

    intent_id: str
    kind: str
    step: str
    key: str
    request: dict[str, Any]
    done: dict[str, Any]
    look_first: bool
    needs_customer: UUID | None = None


@dataclass(frozen=True)
class Result:
    """What a step made: the object's id, and facts to remember beside it."""

    object_id: str
    facts: dict[str, Any] = field(default_factory=dict)


def next_call(session: Session, intent_id: UUID, now: datetime) -> Call | None:
    """Write down the call an intent makes next; None when it has ended. *Raises*: NotFound."""
    intent = _locked(session, intent_id)
    if intent.state not in rules.UNFINISHED:
        return None
    step = rules.next_step(intent.kind, intent.request, intent.progress)
    if step is None:
        _finish(session, intent, now)
        return None
    if step == "customer" and intent.kind in rules.OF_A_PAYER:
        return _customer_of(session, intent, now)
    if step == "tax_payer":
        intent.progress = with_payer(session, intent)
    key = rules.idempotency_key(intent.id, step, intent.generation)
    sent_at = queries.first_sent_at(session, key)
    stale = not rules.key_is_fresh(sent_at, now)
    call = Call(
        intent_id=str(intent.id),
        kind=intent.kind,
        step=step,
        key=key,
        request=intent.request,
        done=_done(session, intent),
        look_first=stale or bool(intent.progress.get("look_first")),
    )
    _move(intent, rules.SENT)
    intent.sent_at = now
    _attempt(session, intent, call, now, outcome="looked_up" if call.look_first else "sent")
    return call


def _done(session: Session, intent: Intent) -> dict[str, Any]:
    """The ids earlier steps made; of another intent where this one acts on that one's object."""
    if intent.kind == "out_of_band":
        origin = session.get_one(Intent, UUID(intent.request["invoice_intent"]))
        if origin.provider_object_id is None:
            raise Conflict("The invoice is not at Stripe yet.")
        return {"invoice": origin.provider_object_id}
    if intent.kind == "credit_note" and "invoice" in intent.request:
        return {"invoice": intent.request["invoice"]}
    if intent.kind == "credit_note":
        return {"invoice": session.get_one(Intent, UUID(intent.request["invoice_intent"])).provider_object_id}
    if intent.kind == "evidence":
        return {**intent.progress, "content": queries.evidence_content(session, intent.document_id)}
    if intent.kind == "checkout_expiry":
        return {"checkout": session.get_one(Intent, UUID(intent.request["checkout_intent"])).provider_object_id}
    if intent.kind == "transfer_reversal":
        return {"transfer": session.get_one(Intent, UUID(intent.request["transfer_intent"])).provider_object_id}
    return dict(intent.progress)


def _customer_of(session: Session, intent: Intent, now: datetime) -> Call | None:
    """The payer's customer: known already, which needs no call, or another intent to be performed first."""
    parties = {"manufacturer_id": intent.manufacturer_id, "payer_id": intent.organisation_id}
    known = queries.customer_of(session, **parties)
    if known is not None:
        intent.progress = {**intent.progress, "customer": known.provider_customer_id}
        session.flush()
        return next_call(session, intent.id, now)
    needed = plan_customer(session, **parties, livemode=intent.livemode, now=now)
    return Call(str(intent.id), intent.kind, "customer", "", {}, {}, look_first=False, needs_customer=needed.id)


def record_success(session: Session, call: Call, result: Result, now: datetime) -> None:
    """The step is done: remember what it made, and end the intent when it was the last."""
    intent = _locked(session, UUID(call.intent_id))
    _attempt(session, intent, call, now, outcome="succeeded", detail=result.object_id)
    if intent.state not in rules.UNFINISHED:
        return
    done_as = call.step if intent.kind in rules.MANY_STEPS else "object"
    kept = {
        name: value for name, value in intent.progress.items() if name not in ("look_first", "waiting", "lacks_minor")
    }
    intent.progress = {**kept, **result.facts, done_as: result.object_id}
    if call.step in rules.MAKING_STEPS:
        intent.provider_object_id = result.object_id
    intent.failure = ""
    session.flush()
    if "tax" in result.facts:
        book_tax(session, intent, now)
    if rules.next_step(intent.kind, intent.request, intent.progress) is None:
        _finish(session, intent, now)


def record_refusal(session: Session, call: Call, refusal: Refused, now: datetime) -> None:
    """Stripe said no: wait where waiting helps, otherwise the intent has failed with a reason."""
    intent = _locked(session, UUID(call.intent_id))
    _attempt(session, intent, call, now, outcome="refused", detail=f"{refusal.code} {refusal.sentence}".strip())
    if intent.state not in rules.UNFINISHED:
        return
    if rules.names_lost_customer(refusal.code, refusal.sentence, intent.progress.get("customer")):
        _begin_anew(session, intent, now)
        return
    waits_for = _waiting_codes(intent).get(refusal.code, "")
    if waits_for:
        # Stripe keeps the refusal under the key, so what goes later goes under a new one.
        intent.generation += 1
        intent.progress = {name: kept for name, kept in intent.progress.items() if name not in TRIED}
        _move(intent, rules.PLANNED)
        _wait(session, intent, waits_for)
        return
    _move(intent, rules.FAILED)
    intent.failure, intent.finished_at = refusal.sentence, now
    _follow_up(session, intent)


def _begin_anew(session: Session, intent: Intent, now: datetime) -> None:
    """Stripe no longer has the payer: the next round makes it anew, and what was about the old one with it."""
    lose_customer(session, intent.progress["customer"], BY_CALL, now=now)
    intent.generation += 1
    intent.progress = {name: kept for name, kept in intent.progress.items() if name == "coupon"}
    _move(intent, rules.PLANNED)


def _waiting_codes(intent: Intent) -> Mapping[str, str]:
    """What waiting may cure. A claw-back does not wait: what cannot be taken now is owed by its party."""
    if intent.document_type == CLAW_BACK:
        return {}
    return rules.REVERSAL_WAITING_CODES if intent.kind == "transfer_reversal" else rules.WAITING_CODES


def record_unknown(session: Session, call: Call, trouble: ProviderTrouble, now: datetime) -> None:
    """No clear answer: the same call again, later."""
    intent = _locked(session, UUID(call.intent_id))
    _attempt(session, intent, call, now, outcome="unknown", detail=trouble.sentence)
    if intent.state in rules.UNFINISHED:
        _move(intent, rules.UNKNOWN)
        intent.failure = trouble.sentence


def record_nothing_there(session: Session, call: Call, now: datetime) -> None:
    """Proof that the step was never made: it may be sent under a new key."""
    intent = _locked(session, UUID(call.intent_id))
    _attempt(session, intent, call, now, outcome="not_there")
    intent.generation += 1
    intent.progress = {name: value for name, value in intent.progress.items() if name != "look_first"}
    _move(intent, rules.PLANNED)


def record_failure(
    session: Session, intent_id: UUID, sentence: str, now: datetime, *, kept: Mapping[str, Any] | None = None
) -> None:
    """The intent cannot go on, for a reason that lies outside its own calls; ``kept`` stays in its progress."""
    intent = _locked(session, intent_id)
    if intent.state in rules.UNFINISHED:
        intent.state, intent.failure, intent.finished_at = rules.FAILED, sentence, now
        intent.progress = {**intent.progress, **(kept or {})}
        _follow_up(session, intent)


def succeed_transfer(session: Session, intent: Intent, transfer_id: str, now: datetime) -> None:
    """Stripe shows the transfer of a locked intent: if its answer was lost, it succeeds now."""
    if intent.state not in (rules.SENT, rules.UNKNOWN, rules.FAILED):
        return
    intent.provider_object_id = transfer_id
    intent.progress = {"object": transfer_id}
    _finish(session, intent, now)


def succeed_change(session: Session, intent_id: UUID, subscription_id: str, invoice_id: str, now: datetime) -> None:
    """Stripe shows the charge of a change of plan that was taken for not made: it was made."""
    intent = _locked(session, intent_id)
    if intent.state != rules.FAILED:
        return
    kept = {name: value for name, value in intent.progress.items() if name not in ("look_first", rules.FIGURES_MOVED)}
    intent.progress = {**kept, "product": str(intent.id), "plan_change": subscription_id, "change_invoice": invoice_id}
    _finish(session, intent, now)


def older_transfer_waits(session: Session, intent: Intent) -> bool:
    """Whether an older transfer of the currency waits for the balance: it goes first."""
    older = select(Intent.id).where(
        Intent.kind == "transfer",
        Intent.state == rules.PLANNED,
        Intent.currency == intent.currency,
        Intent.progress["waiting"].astext == rules.WAITS_FOR_BALANCE,
        (Intent.created_at < intent.created_at) | ((Intent.created_at == intent.created_at) & (Intent.id < intent.id)),
    )
    return session.scalar(select(older.exists())) or False


def note_waiting(session: Session, intent_id: UUID, waits_for: str, *, lacks_minor: int = 0) -> None:
    """Keep what a planned transfer waits for, or that it no longer does.

    How much the balance lacks for it is kept apart from the sentence, which its party reads too.
    """
    intent = _locked(session, intent_id)
    if intent.state == rules.PLANNED:
        _wait(session, intent, waits_for, lacks_minor=lacks_minor)


def _wait(session: Session, intent: Intent, waits_for: str, *, lacks_minor: int = 0) -> None:
    before = intent.progress.get("waiting", "")
    kept = {name: value for name, value in intent.progress.items() if name not in ("waiting", "lacks_minor")}
    lacks = {"lacks_minor": lacks_minor} if lacks_minor else {}
    intent.progress = {**kept, "waiting": waits_for, **lacks} if waits_for else kept
    intent.failure = WAITING_SENTENCES[waits_for].format(currency=intent.currency)
    if waits_for == rules.WAITS_FOR_BALANCE != before:
        enqueue(session, "notify_cash_needed", manufacturer_id=intent.manufacturer_id, currency=intent.currency)


def _finish(session: Session, intent: Intent, now: datetime) -> None:
    _move(intent, rules.SUCCEEDED)
    intent.finished_at, intent.failure = now, ""
    if intent.kind == "account":
        _keep_account(session, intent, now)
    elif intent.kind == "customer":
        _keep_customer(session, intent, now)
    elif intent.kind == "transfer":
        book_transfer(session, intent, now)
    elif intent.kind == "transfer_reversal":
        book_reversal(session, intent, now)
    elif intent.kind == "refund":
        book_refund(session, intent, now)
    elif intent.kind == "portal_configuration":
        _keep_portal_configuration(session, intent)
    _follow_up(session, intent)


def _follow_up(session: Session, intent: Intent) -> None:
    """Have somebody above go on with what an intent was for."""
    if intent.document_type == rules.SUBSCRIPTION_BILL:
        enqueue(session, rules.FOLLOW_PURCHASE, intent_id=intent.request["checkout_intent"])
    elif intent.kind in rules.FOLLOWED_UP or intent.document_type == CLAW_BACK:
        enqueue(session, "follow_up_intent", intent_id=intent.id)
    elif intent.kind == "checkout" and intent.state == rules.FAILED:
        enqueue(session, rules.FOLLOW_PURCHASE, intent_id=intent.id)
    elif intent.kind == "plan_change":
        enqueue(session, rules.FOLLOW_PURCHASE, intent_id=intent.request["checkout_intent"])
        if intent.state == rules.FAILED:
            enqueue(session, "notify_plan_change", intent_id=intent.id)
            enqueue(session, "archive_product", intent_id=intent.id)
        elif rules.is_at_once(intent.request):
            enqueue(session, "look_at_change", intent_id=intent.id)
    elif rules.END_NOW in intent.request:
        enqueue(session, rules.FOLLOW_PURCHASE, intent_id=intent.request["checkout_intent"])
        if intent.state == rules.FAILED:
            enqueue(session, "notify_plan_end", intent_id=intent.id)


def keep_refund_state(session: Session, intent: Intent, state: RefundState, now: datetime) -> None:
    """A refund as just fetched, into its locked intent: one whose answer was lost succeeds, what moved is booked."""
    if intent.state in (rules.SENT, rules.UNKNOWN, rules.FAILED):
        intent.provider_object_id = state.id
        intent.progress = {**intent.progress, **refund_facts(state), "object": state.id}
        _finish(session, intent, now)
    elif intent.state == rules.SUCCEEDED and intent.progress.get("status") not in ("failed", "canceled"):
        intent.progress = {**intent.progress, **refund_facts(state)}
        book_refund(session, intent, now)
        _follow_up(session, intent)


def _keep_account(session: Session, intent: Intent, now: datetime) -> None:
    session.execute(
        insert(ConnectedAccount)
        .values(
            organisation_id=intent.organisation_id,
            provider_account_id=intent.provider_object_id,
            transfers_state=intent.progress["transfers_state"],
            requirements={"open": intent.progress["requirements"]},
            livemode=intent.livemode,
            created_at=now,
            checked_at=now,
        )
        .on_conflict_do_nothing()
    )
    if intent.progress["transfers_state"] == ACTIVE:
        enqueue(session, rules.TRANSFER_HELD)


def _keep_portal_configuration(session: Session, intent: Intent) -> None:
    """Every company's page leads to Stripe with it, so it is the deployment's."""
    kept = {"id": intent.provider_object_id}
    session.execute(
        insert(DeploymentFact)
        .values(key=queries.PORTAL_CONFIGURATION_FACT, value=kept)
        .on_conflict_do_update(index_elements=["key"], set_={"value": kept})
    )


def _keep_customer(session: Session, intent: Intent, now: datetime) -> None:
    session.execute(
        insert(ProviderCustomer)
        .values(
            manufacturer_id=intent.manufacturer_id,
            payer_id=intent.organisation_id,
            provider_customer_id=intent.provider_object_id,
            number=rules.customer_number(intent.document_id),
            livemode=intent.livemode,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )


def _move(intent: Intent, state: str) -> None:
    if intent.state != state and not rules.may_move(intent.state, state):
        raise RuleBroken(f"A payment step cannot go from {intent.state} to {state}.")
    intent.state = state


def _attempt(session: Session, intent: Intent, call: Call, now: datetime, *, outcome: str, detail: str = "") -> None:
    session.add(
        IntentAttempt(
            intent_id=intent.id,
            manufacturer_id=intent.manufacturer_id,
            organisation_id=intent.organisation_id,
            step=call.step,
            idempotency_key=call.key,
            outcome=outcome,
            detail=detail,
            attempted_at=now,
        )
    )


def _locked(session: Session, intent_id: UUID) -> Intent:
    intent = session.get(Intent, intent_id, with_for_update=True, populate_existing=True)
    if intent is None:
        raise NotFound
    return intent
