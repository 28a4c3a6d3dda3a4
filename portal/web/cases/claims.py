"""What the companies claim of each other on a case: the form, the list on the case page, the other company's answer."""

from __future__ import annotations

from dataclasses import dataclass

from flask import flash, url_for
from flask.typing import ResponseReturnValue
from wtforms import IntegerField, RadioField, SelectField
from wtforms.validators import InputRequired, Optional

from portal.access import Actor, Side, may_work_cases
from portal.billing.supplements import claims
from portal.billing.supplements.claims import NewClaim, may_answer_claims
from portal.billing.supplements.models import Claim, ClaimAnswer
from portal.cases.models import SupportCase
from portal.cases.queries import case_by_id
from portal.contracts.owing import Disposition
from portal.errors import NotFound
from portal.rows import Facts
from portal.web.cases.acting import Act, take
from portal.web.cases.blueprint import blueprint, case_named, to_case
from portal.web.cases.opening_forms import AMOUNT_LIMIT, typed_minor
from portal.web.cases.resolution import terms_of
from portal.web.forms import Form, line_field, page, refusals_of, seq_field
from portal.web.gate import current_actor, current_now, current_session, open_to

KINDS = {
    "labour_credit": "Our work under warranty",
    "referral": "A bonus: the case led to a sale",
    "material": "A part that was replaced",
}
CLAIM = Act(
    "Claim what the other company owes",
    "Claim it",
    "It is claimed; the other company answers.",
    "By the agreement, beside the shares of the bill. Nothing moves before the other company says yes.",
    helps={
        "trips": "For work under warranty.",
        "sale": "For a bonus: the order or quote.",
        "technician_name": "For a bonus: whose case led to it. It is paid to the employer.",
        "part": "For a replaced part.",
        "amount": "The sale's amount, or the part's price.",
    },
)


class ClaimForm(Form):
    seq = seq_field()
    kind = RadioField("What is claimed", validators=[InputRequired("Choose what is claimed.")])
    trips = IntegerField("Trips to the site", default=0, validators=[Optional()])
    sale = line_field("The sale", limit=claims.LONGEST_WORD)
    technician_name = line_field("Whose case led to it", limit=claims.LONGEST_WORD)
    part = line_field("The part", limit=claims.LONGEST_WORD)
    serial = line_field("Its serial number", limit=claims.LONGEST_WORD)
    rma = line_field("RMA number", limit=claims.LONGEST_WORD)
    disposition = SelectField(
        "What became of the old part",
        choices=[("", "Choose"), *((each.value, each.value.capitalize()) for each in Disposition)],
        default="",
    )
    amount = line_field("Amount", limit=AMOUNT_LIMIT, render_kw={"inputmode": "decimal"})


class AnswerForm(Form):
    answer = RadioField(
        "Your answer",
        choices=[("yes", "Yes, we owe it"), ("no", "No")],
        validators=[InputRequired("Choose yes or no.")],
    )
    reason = line_field("Why", limit=500)


@dataclass(frozen=True)
class ClaimLine:
    """A claim as the case page lists it; ``href`` where the reader answers it."""

    claim: Claim
    answer: ClaimAnswer | None
    kind: str
    href: str


@blueprint.route("/cases/<name>/claims", methods=["GET", "POST"])
@open_to(may_work_cases)
def new_claim(name: str) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    case = case_named(name)
    form, currency = ClaimForm(), terms_of(case).policy.currency
    form.amount.label.text = f"Amount ({currency})"
    own = KINDS if actor.side is Side.INTEGRATOR else {"material": KINDS["material"]}
    form.kind.choices = list(own.items())

    def act(held: SupportCase) -> object:
        return claims.claim(session, actor, held, _new(form, currency), now=current_now())

    return take(name, CLAIM, form, act)


@blueprint.route("/claims/<int:claim_id>", methods=["GET", "POST"])
@open_to(may_answer_claims)
def answer_claim(claim_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = session.get(Claim, claim_id)
    if found is None or actor.organisation_id not in (found.manufacturer_id, found.integrator_id):
        raise NotFound
    case = case_by_id(session, actor, found.case_id)
    form = AnswerForm()
    if form.validate_on_submit():
        with refusals_of(form):
            accepted = form.answer.data == "yes"
            claims.answer_claim(session, actor, claim_id, accepted=accepted, reason=form.reason.data or "", now=now)
            flash("The answer is kept.", "good")
            return to_case(case.name)
    return page("cases/claim.html", form, claim=found, case=case, kind=KINDS[found.kind])


def claim_lines(actor: Actor, beside: Facts) -> list[ClaimLine]:
    """The claims of a case that has ended, for the two companies; ``beside`` is empty where none has."""
    if actor.side is Side.CUSTOMER or not beside:
        return []
    return [
        ClaimLine(row, answer, KINDS[row.kind], _answered_at(actor, row) if answer is None else "")
        for row, answer in claims.claims_in(beside)
    ]


def _answered_at(actor: Actor, row: Claim) -> str:
    """Where the reader answers it; nowhere for those who claimed it or may not."""
    may = may_answer_claims(actor) and actor.organisation_id != row.company_id
    return url_for("cases.answer_claim", claim_id=row.id) if may else ""


def _new(form: ClaimForm, currency: str) -> NewClaim:
    kind, typed = form.kind.data or "", form.amount.data or ""
    return NewClaim(
        kind,
        trips=form.trips.data or 0,
        sale=form.sale.data or "" if kind == "referral" else "",
        technician_name=form.technician_name.data or "" if kind == "referral" else "",
        part=form.part.data or "" if kind == "material" else "",
        serial=form.serial.data or "",
        rma=form.rma.data or "",
        disposition=form.disposition.data or "" if kind == "material" else "",
        amount_minor=typed_minor(typed, currency, "amount") if typed and kind != "labour_credit" else 0,
    )
