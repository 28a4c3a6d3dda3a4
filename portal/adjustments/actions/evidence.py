"""Evidence for a chargeback: printed from the record, looked at, and handed to the payer's bank exactly as it was.

Invariants: what is handed over is stored with its hash first; it is handed over once: the bank reads one answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.adjustments import queries
from portal.adjustments.gathering import CaseProof, Proof, Signed, proof_for
from portal.adjustments.models import ChargebackEvidence
from portal.adjustments.typesetting import typeset
from portal.errors import Conflict, NotFound
from portal.metering.rules import MODES
from portal.money import Money
from portal.payments.going_back import plan_evidence
from portal.payments.models import Chargeback, ChargebackStep
from portal.payments.rules import CLOSED, LOST, SUBMITTED, WON

_OVER = (SUBMITTED, WON, LOST, CLOSED)
# Where paper is not A4. *Source*: CLDR, supplemental measurement data, US paper size.
_LETTER_COUNTRIES = frozenset({"US", "CA", "MX"})
# Stripe takes 150,000 characters of words in all; a bank reads the first page.
_LONGEST_SUMMARY = 5_000


@dataclass(frozen=True)
class Reader:
    """For whom dates are written."""

    locale: Locale
    zone: ZoneInfo


def chargeback_seen(session: Session, actor: Actor, chargeback_id: int) -> Chargeback:
    """A chargeback of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    queries.check_finance(actor)
    found = session.get(Chargeback, chargeback_id)
    if found is None or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    return found


def steps_of(session: Session, chargeback_id: int) -> Sequence[ChargebackStep]:
    """What has happened to a chargeback, in the order we learned it."""
    wanted = select(ChargebackStep).where(ChargebackStep.chargeback_id == chargeback_id)
    return session.scalars(wanted.order_by(ChargebackStep.id)).all()


def chargebacks(session: Session, actor: Actor, *, most: int = 200) -> Sequence[Chargeback]:
    """The chargebacks of the actor's manufacturer, the latest first. *Raises*: NotAllowed."""
    queries.check_finance(actor)
    wanted = select(Chargeback).where(Chargeback.manufacturer_id == actor.organisation_id)
    return session.scalars(wanted.order_by(Chargeback.id.desc()).limit(most)).all()


def sent_evidence(session: Session, chargeback_id: int) -> Sequence[ChargebackEvidence]:
    """What was handed over, the latest first."""
    wanted = select(ChargebackEvidence).where(ChargebackEvidence.chargeback_id == chargeback_id)
    return session.scalars(wanted.order_by(ChargebackEvidence.id.desc())).all()


def evidence_pdf(session: Session, actor: Actor, chargeback_id: int, reader: Reader) -> bytes:
    """The evidence: as it was handed over, or as it would be now. *Raises*: NotAllowed, NotFound, RuleBroken."""
    chargeback = chargeback_seen(session, actor, chargeback_id)
    sent = sent_evidence(session, chargeback.id)
    return sent[0].content if sent else typeset(evidence_said(proof_for(session, chargeback), reader))


def submit(session: Session, actor: Actor, chargeback_id: int, reader: Reader, *, now: datetime) -> ChargebackEvidence:
    """Hand the evidence to the payer's bank, by job. *Raises*: NotAllowed, NotFound, Conflict when it was already."""
    chargeback = chargeback_seen(session, actor, chargeback_id)
    if not may_submit(session, chargeback.id):
        raise Conflict("The bank has its answer already, or has decided.")
    proof = proof_for(session, chargeback)
    content = typeset(evidence_said(proof, reader))
    revision = session.scalar(
        select(func.count()).select_from(ChargebackEvidence).where(ChargebackEvidence.chargeback_id == chargeback.id)
    )
    made = ChargebackEvidence(
        chargeback_id=chargeback.id,
        manufacturer_id=chargeback.manufacturer_id,
        revision=(revision or 0) + 1,
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
        submitted_by=actor.person_id,
        submitted_at=now,
    )
    session.add(made)
    session.flush()
    plan_evidence(session, chargeback, evidence_id=made.id, evidence=_words(proof, reader), now=now)
    return made


def may_submit(session: Session, chargeback_id: int) -> bool:
    """Whether the bank still waits for an answer, and none is on its way."""
    is_over = any(step.kind in _OVER for step in steps_of(session, chargeback_id))
    return not is_over and not sent_evidence(session, chargeback_id)


def _words(proof: Proof, reader: Reader) -> dict[str, Any]:
    """What Stripe asks for in fields of their own; empty ones are left out."""
    dates = [worked.started_at for case in proof.cases for worked in case.work]
    words = {
        "customer_name": proof.payer.name,
        "customer_email_address": proof.payer.accounts_payable_email,
        "product_description": "; ".join(item.description for item in proof.items)[:_LONGEST_SUMMARY],
        "service_date": ", ".join(sorted({_day(at, reader) for at in dates})),
        "uncategorized_text": _summary(proof, reader)[:_LONGEST_SUMMARY],
    }
    return {name: value for name, value in words.items() if value}


def _summary(proof: Proof, reader: Reader) -> str:
    what = f"Invoice {proof.name}" if proof.invoice is not None else proof.name
    lines = [f"{what} was paid on {_at(proof.receipt.received_at, reader)}."]
    if proof.ordered is not None:
        lines.append(_order_said(proof.ordered, reader))
    for case in proof.cases:
        lines += [
            f"{case.name}: {yes.person_name} said yes on {_at(yes.at, reader)}, {yes.basis}." for yes in case.yeses
        ]
        lines.append(f"{case.name}: {len(case.work)} pieces of work, each with its note, are in the document.")
    lines += [
        f"The price comes from {one.title}, version {one.number}, SHA-256 {one.sha256}." for one in proof.policies
    ]
    return "\n".join(lines)


def _order_said(ordered: tuple[str, datetime, str], reader: Reader) -> str:
    name, at, sha256 = ordered
    return f"{name} ordered it on {_at(at, reader)} and accepted the policy with SHA-256 {sha256}."


def evidence_said(proof: Proof, reader: Reader) -> dict[str, Any]:
    """What the PDF says."""
    chargeback, currency = proof.chargeback, proof.chargeback.currency
    return {
        "title": f"Evidence for the payment of {proof.name}",
        "author": proof.manufacturer_name,
        "paper": "us-letter" if proof.payer.country in _LETTER_COUNTRIES else "a4",
        "facts": [
            ("From", proof.manufacturer_name),
            ("Paid by", proof.payer.name),
            ("Payment", f"{proof.receipt.provider_object_id}, {_at(proof.receipt.received_at, reader)}"),
            ("Amount", str(Money(proof.receipt.amount_minor, currency))),
            ("Disputed", f"{Money(chargeback.amount_minor, currency)}, {chargeback.reason.replace('_', ' ')}"),
            ("Dispute", f"{chargeback.provider_object_id}, opened {_at(chargeback.opened_at, reader)}"),
            *([("Ordered", _order_said(proof.ordered, reader))] if proof.ordered is not None else []),
        ],
        "items": [(item.description, str(Money(item.amount_minor, currency))) for item in proof.items],
        "cases": [_case_said(case, reader) for case in proof.cases],
        "policies": [_policy_said(one, reader) for one in proof.policies],
    }


def _case_said(case: CaseProof, reader: Reader) -> dict[str, Any]:
    return {
        "title": f"Case {case.name}: {case.title}",
        "facts": [("Customer", case.customer_name)],
        "yeses": [
            (
                _at(yes.at, reader),
                yes.person_name,
                yes.basis,
                str(Money(yes.nte_minor, yes.currency)),
                str(Money(yes.price_per_hour_minor, yes.currency)),
            )
            for yes in case.yeses
        ],
        "work": [
            (
                _at(one.started_at, reader),
                _at(one.ended_at, reader),
                one.person_name,
                MODES.get(one.mode, one.mode),
                one.note,
            )
            for one in case.work
        ],
        "happenings": [(_at(one.at, reader), one.says) for one in case.happenings],
    }


def _policy_said(one: Signed, reader: Reader) -> dict[str, Any]:
    return {
        "facts": [
            ("Policy", f"{one.title}, version {one.number}"),
            ("In force from", _at(one.effective_from, reader)),
            ("SHA-256", one.sha256),
        ],
        "signed": [(name, _at(at, reader)) for name, at in one.signed],
    }


def _at(at: datetime, reader: Reader) -> str:
    return format_datetime(at.astimezone(reader.zone), "d MMM y HH:mm zzz", locale=reader.locale)


def _day(at: datetime, reader: Reader) -> str:
    return at.astimezone(reader.zone).date().isoformat()
