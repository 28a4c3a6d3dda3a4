"""A severity that the factory has set and the other side disputes: disputing it, and the support lead's answer."""

from __future__ import annotations

from dataclasses import dataclass

from flask.typing import ResponseReturnValue
from wtforms import RadioField

from portal.access import Actor, Role, Side, may_open_case
from portal.cases import actions
from portal.cases.models import SeverityChallenge, SeverityDecision
from portal.cases.rules import Verb
from portal.rows import Facts
from portal.web.cases.acting import Act, take, take_typed
from portal.web.cases.blueprint import blueprint
from portal.web.forms import Form, seq_field, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to

ANSWERS = {"yes": "It counts as before", "no": "It stays, and the signed rule decides"}
BASIS_WORDS = {"agreed": "the factory gave in", "silence": "the factory said nothing", "rule": "the signed rule holds"}


@dataclass(frozen=True)
class Dispute:
    """The last dispute as the page shows it."""

    challenge: SeverityChallenge
    decision: SeverityDecision | None
    basis: str
    answers: bool


class DisputeForm(Form):
    seq = seq_field()
    reason = text_field("Why", required="Say why: the factory's support lead reads this.", limit=4_000)


class AnswerForm(Form):
    seq = seq_field()
    answer = RadioField("Your answer", choices=list(ANSWERS.items()))
    reason = text_field("Why", required="Say why: the other side reads this.", limit=4_000)


DISPUTE = Act(
    "Dispute the severity",
    "Dispute it",
    "The severity is disputed.",
    "Where the factory gives in, or does not answer in time, the severity from before counts, from the start.",
    Verb.CHALLENGE_SEVERITY,
)
ANSWER = Act(
    "Answer the dispute",
    "Answer",
    "The dispute is answered.",
    "A severity that counts again counts from the start, as if it had never been changed.",
)


def may_answer(actor: Actor) -> bool:
    """Whether somebody answers for the factory."""
    return actor.side is Side.MANUFACTURER and actor.has(Role.SUPPORT_LEAD)


def dispute_of(rows: Facts, actor: Actor) -> Dispute | None:
    """The last dispute of a case's severity."""
    if not rows[SeverityChallenge]:
        return None
    raised = rows[SeverityChallenge][-1]
    decision = next((each for each in rows[SeverityDecision] if each.severity_challenge_id == raised.id), None)
    words = BASIS_WORDS[decision.basis] if decision is not None else ""
    return Dispute(raised, decision, words, answers=decision is None and may_answer(actor))


@blueprint.route("/cases/<name>/severity-disputes", methods=["GET", "POST"])
@open_to(may_open_case)
def challenge_severity(name: str) -> ResponseReturnValue:
    return take_typed(name, DISPUTE, DisputeForm(), actions.challenge_severity)


@blueprint.route("/cases/<name>/severity-disputes/<int:dispute_id>/answers", methods=["GET", "POST"])
@open_to(may_answer)
def answer_severity(name: str, dispute_id: int) -> ResponseReturnValue:
    form = AnswerForm()
    return take(
        name,
        ANSWER,
        form,
        lambda case: actions.answer_severity(
            current_session(),
            current_actor(),
            case,
            dispute_id,
            gives_in=form.answer.data == "yes",
            reason=form.reason.data,
            seq=form.seq.data,
            now=current_now(),
        ),
    )
