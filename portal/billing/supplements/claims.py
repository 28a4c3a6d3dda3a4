"""What the companies claim of each other by the agreement: worked out when claimed, moved when the other says yes.

No company decides alone: a claim is one company's word, its answer the other's. Nothing here charges the customer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side, may_work_cases
from portal.billing.supplements.actions import Cause, settle
from portal.billing.supplements.models import Claim, ClaimAnswer, Supplement
from portal.billing.supplements.rules import LABOUR_CREDIT, MATERIAL, REFERRAL, between
from portal.cases.actions.core import parties
from portal.cases.models import Resolution, SupportCase
from portal.contracts.blocks import Company
from portal.contracts.owing import Claimed, Disposition, Owed, Owing, labour_credit, material_owed, referral_bonus
from portal.directory.models import ProductLine
from portal.entitlement.queries import Terms, latest_coverage, terms_in_force
from portal.entitlement.rules import decision_from_json
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.rows import Facts, add_or_refuse

WORDS = {LABOUR_CREDIT: "labour credit", REFERRAL: "bonus for a sale", MATERIAL: "part"}
LONGEST_WORD = 100
_WORDS = ("sale", "technician_name", "part", "serial", "rma")


@dataclass(frozen=True)
class NewClaim:
    """What is claimed: trips of the work; or the sale and whose case led to it; or the part that was replaced.

    ``amount_minor`` is the amount of the sale, or the price of the part.
    """

    kind: str
    trips: int = 0
    sale: str = ""
    technician_name: str = ""
    part: str = ""
    serial: str = ""
    rma: str = ""
    disposition: str = ""
    amount_minor: int = 0


def claim(session: Session, actor: Actor, case: SupportCase, new: NewClaim, *, now: datetime) -> Claim:
    """Claim what the agreement says the other company owes. *Raises*: NotFound, NotAllowed, Invalid at the field."""
    if actor.organisation_id not in (case.manufacturer_id, case.integrator_id):
        raise NotFound
    if not may_work_cases(actor) or (new.kind != MATERIAL and actor.side is not Side.INTEGRATOR):
        raise NotAllowed("Work and bonuses are claimed by the integrator's service people, parts by either company's.")
    new = replace(new, **{name: getattr(new, name).strip() for name in _WORDS})
    terms = _terms(session, case)
    if terms.agreement is None or terms.agreement_version_id is None:
        raise Invalid("There is no agreement between the companies: nothing is owed beside shares.")
    _check(new)
    _check_once(session, case, new)
    owed = _owed(session, actor, case, new, terms.agreement.owing, currency=terms.policy.currency, now=now)
    companies = {Company.MANUFACTURER: case.manufacturer_id, Company.INTEGRATOR: case.integrator_id}
    row = Claim(
        **parties(case),
        kind=new.kind,
        company_id=actor.organisation_id,
        debtor_id=companies[owed.debtor],
        trips=new.trips,
        part=new.part,
        serial=new.serial,
        rma=new.rma,
        disposition=new.disposition,
        sale=new.sale,
        technician_name=new.technician_name,
        currency=terms.policy.currency,
        price_minor=new.amount_minor,
        amount_minor=owed.amount_minor,
        explanation={"sentences": list(owed.sentences)},
        agreement_version_id=terms.agreement_version_id,
        claimed_by=actor.person_id,
        claimed_name=actor.display_name,
        claimed_at=now,
    )
    session.add(row)
    session.flush()
    return row


def answer_claim(
    session: Session, actor: Actor, claim_id: int, *, accepted: bool, reason: str, now: datetime
) -> ClaimAnswer:
    """The other company says yes or no. *Raises*: NotFound, NotAllowed, Invalid, Conflict once it is answered."""
    row = session.get(Claim, claim_id)
    if row is None or actor.organisation_id not in (row.manufacturer_id, row.integrator_id):
        raise NotFound
    if actor.organisation_id == row.company_id or not may_answer_claims(actor):
        raise NotAllowed("A claim is answered by the other company's lead, manager or finance.")
    if not accepted and not reason.strip():
        raise Invalid("Say why not.", {"reason": "Say why not: the other company reads this."})
    answer = ClaimAnswer(
        case_id=row.case_id,
        manufacturer_id=row.manufacturer_id,
        integrator_id=row.integrator_id,
        customer_id=row.customer_id,
        claim_id=row.id,
        accepted=accepted,
        reason=reason.strip(),
        company_id=actor.organisation_id,
        answered_by=actor.person_id,
        answered_name=actor.display_name,
        answered_at=now,
    )
    add_or_refuse(session, answer, Conflict("This claim is answered already."))
    if accepted:
        enqueue(session, "settle_claim", claim_id=row.id)
    return answer


def may_answer_claims(actor: Actor) -> bool:
    """Who answers for a company."""
    return actor.has(Role.SERVICE_MANAGER, Role.SUPPORT_LEAD, Role.FINANCE)


def settle_claim(session: Session, claim_id: int, *, now: datetime, livemode: bool = False) -> Supplement | None:
    """The job: move what an accepted claim comes to. Again adds nothing. *Raises*: NotFound."""
    row = session.get(Claim, claim_id)
    if row is None:
        raise NotFound
    mine = ClaimAnswer.claim_id == row.id
    answer = session.scalars(select(ClaimAnswer).where(mine)).one_or_none()
    if answer is None or not answer.accepted:
        return None
    case = session.get_one(SupportCase, row.case_id)
    creditor_id = row.integrator_id if row.debtor_id == row.manufacturer_id else row.manufacturer_id
    words = [*row.explanation["sentences"], f"Claimed by {row.claimed_name}, accepted by {answer.answered_name}."]
    if row.kind == REFERRAL:
        words.append(f"Paid to the employer of {row.technician_name}, for {row.sale}.")
    if row.kind == MATERIAL:
        marks = (("", row.part), ("serial ", row.serial), ("RMA ", row.rma))
        words.append(f"{', '.join(name + mark for name, mark in marks if mark)}: {row.disposition}.")
    cause = Cause(
        f"claim:{row.id}", row.kind, "companies", f"{case.name}, {WORDS[row.kind]}", tuple(words), row.claimed_at
    )
    target = between(row.amount_minor, row.debtor_id, creditor_id)
    return settle(session, case, _terms(session, case), cause, target, now=now, livemode=livemode)


def claims_in(rows: Facts) -> list[tuple[Claim, ClaimAnswer | None]]:
    """The claims of a case with their answers, the oldest first, of what was read of it."""
    answers = {answer.claim_id: answer for answer in rows[ClaimAnswer]}
    return [(claim, answers.get(claim.id)) for claim in rows[Claim]]


def _terms(session: Session, case: SupportCase) -> Terms:
    return terms_in_force(
        session, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id, at=case.opened_at
    )


def _check(new: NewClaim) -> None:
    needed = {
        LABOUR_CREDIT: (),
        REFERRAL: (("sale", "Name the sale: its order or quote."), ("technician_name", "Say whose case led to it.")),
        MATERIAL: (("part", "Name the part."), ("disposition", "Say what became of the old part.")),
    }.get(new.kind)
    if needed is None:
        raise Invalid("Choose what is claimed.", {"kind": "Choose what is claimed."})
    problems = {name: sentence for name, sentence in needed if not getattr(new, name)}
    problems |= {
        name: f"At most {LONGEST_WORD} characters." for name in _WORDS if len(getattr(new, name)) > LONGEST_WORD
    }
    if new.kind == MATERIAL and new.disposition and new.disposition not in set(Disposition):
        problems["disposition"] = "Choose what became of the old part."
    if problems:
        raise Invalid("Something is missing.", problems)


def _check_once(session: Session, case: SupportCase, new: NewClaim) -> None:
    """Work is claimed once a case and a bonus once a sale, unless the claim before was refused. *Raises*: Invalid."""
    if new.kind == MATERIAL:
        return
    of_sale = (Claim.manufacturer_id == case.manufacturer_id, Claim.sale == new.sale)
    mine = (Claim.case_id == case.id,) if new.kind == LABOUR_CREDIT else of_sale
    key = f"claim:{case.manufacturer_id}:{new.sale or case.id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    standing = (
        select(Claim.id)
        .outerjoin(ClaimAnswer, ClaimAnswer.claim_id == Claim.id)
        .where(Claim.kind == new.kind, *mine, ClaimAnswer.accepted.is_distinct_from(False))
    )
    if session.scalar(select(standing.exists())):
        field = "kind" if new.kind == LABOUR_CREDIT else "sale"
        sentence = "This is claimed already."
        raise Invalid(sentence, {field: sentence})


def _owed(
    session: Session,
    actor: Actor,
    case: SupportCase,
    new: NewClaim,
    owing: Owing,
    *,
    currency: str,
    now: datetime,
) -> Owed:
    line = session.get_one(ProductLine, case.product_line_id)
    mine = Resolution.case_id == case.id
    resolved = session.scalars(select(Resolution).where(mine).order_by(Resolution.seq.desc()).limit(1)).one_or_none()
    kept = latest_coverage(session, case.id)
    about = Claimed(
        line.code,
        resolved.cause if resolved is not None else "",
        kept is not None and decision_from_json(kept.decision).in_warranty,
        (now - case.opened_at).days,
    )
    if new.kind == REFERRAL:
        return referral_bonus(owing, currency, about, sale_minor=new.amount_minor)
    if resolved is None:
        raise Invalid("Resolve the case first: the cause decides.", {"kind": "The case is not resolved yet."})
    about = replace(about, days=(now - resolved.resolved_at).days)
    if new.kind == LABOUR_CREDIT:
        return labour_credit(owing, currency, about, trips=new.trips)
    supplier = Company.MANUFACTURER if actor.side is Side.MANUFACTURER else Company.INTEGRATOR
    disposition = Disposition(new.disposition)
    return material_owed(
        owing, currency, about, supplier=supplier, disposition=disposition, price_minor=new.amount_minor
    )
