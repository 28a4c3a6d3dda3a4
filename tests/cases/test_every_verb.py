"""What holds for every verb: strangers find nothing, the wrong person is refused, a stale form changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from portal.access import Actor, Audience
from portal.cases import actions, queries
from portal.cases.actions import NewNote
from portal.cases.models import SupportCase
from portal.contracts.blocks import TaskClass
from portal.contracts.circumstances import Circumstances
from portal.errors import Conflict, NotAllowed, NotFound, Stale
from tests.support.cases import RESOLVING, accepted, escalated, event_kinds, resolved, scope_of
from tests.support.cast import hours_later
from tests.support.versions import signed_policy

LATER = hours_later(3)


@dataclass(frozen=True)
class Step:
    """A verb, who may take it on a case made by ``made``, and who of the same company may not."""

    made: Callable[..., SupportCase]
    who: str
    not_who: str
    act: Callable[[Session, Actor, SupportCase, int, datetime], Any]
    kind: str


def offered_back(session, cast):
    case = accepted(session, cast)
    actions.hand_back(
        session, cast.ana, case, reason="Visit the site", new_information=True, seq=case.seq, now=hours_later(1)
    )
    return case


def asked(session, cast):
    case = accepted(session, cast)
    actions.ask_information(session, cast.ana, case, question="Which firmware?", seq=case.seq, now=hours_later(1))
    return case


def asking(session, cast):
    """Under a policy whose prices depend on the distance."""
    fee = '[[fees]]\ncode = "way"\nlabel = "Way"\namount = "40.00"\ndistance_from = 30\n\n'
    signed_policy(session, cast, ('[[rates]]\nmodes = ["travel"]', fee + '[[rates]]\nmodes = ["travel"]'))
    return accepted(session, cast)


def paused(session, cast):
    case = accepted(session, cast)
    actions.pause(session, cast.ana, case, reason="Network is down", seq=case.seq, now=hours_later(1))
    return case


def declined(session, cast):
    case = escalated(session, cast)
    actions.decline_custody(session, cast.ana, case, reason="Not ours", seq=case.seq, now=hours_later(1))
    return case


STEPS = {
    "accept": Step(
        escalated, "ana", "fay", lambda s, a, c, q, n: actions.accept_custody(s, a, c, seq=q, now=n), "accepted"
    ),
    "decline": Step(
        escalated,
        "ana",
        "fay",
        lambda s, a, c, q, n: actions.decline_custody(s, a, c, reason="Not ours", seq=q, now=n),
        "declined",
    ),
    "withdraw_offer": Step(
        escalated, "tom", "ivo", lambda s, a, c, q, n: actions.withdraw_offer(s, a, c, seq=q, now=n), "offer_withdrawn"
    ),
    "offer": Step(
        declined, "tom", "ivo", lambda s, a, c, q, n: actions.offer_custody(s, a, c, seq=q, now=n), "offered"
    ),
    "hand_back": Step(
        accepted,
        "ana",
        "fay",
        lambda s, a, c, q, n: actions.hand_back(s, a, c, reason="Visit", new_information=False, seq=q, now=n),
        "handed_back",
    ),
    "accept_back": Step(
        offered_back, "tia", "ivo", lambda s, a, c, q, n: actions.accept_custody(s, a, c, seq=q, now=n), "accepted"
    ),
    "take_back": Step(
        accepted, "tom", "ivo", lambda s, a, c, q, n: actions.take_back(s, a, c, seq=q, now=n), "taken_back"
    ),
    "ask": Step(
        accepted,
        "ana",
        "fay",
        lambda s, a, c, q, n: actions.ask_information(s, a, c, question="Which one?", seq=q, now=n),
        "asked",
    ),
    "answer": Step(
        asked,
        "tom",
        "ivo",
        lambda s, a, c, q, n: actions.answer_information(s, a, c, answer="4.2", seq=q, now=n),
        "answered",
    ),
    "answer_by_customer": Step(
        asked,
        "cal",
        "flo",
        lambda s, a, c, q, n: actions.answer_information(s, a, c, answer="4.2", seq=q, now=n),
        "answered",
    ),
    "withdraw_question": Step(
        asked,
        "ana",
        "fay",
        lambda s, a, c, q, n: actions.withdraw_question(s, a, c, seq=q, now=n),
        "question_withdrawn",
    ),
    "pause": Step(
        accepted,
        "ana",
        "fay",
        lambda s, a, c, q, n: actions.pause(s, a, c, reason="Network is down", seq=q, now=n),
        "paused",
    ),
    "resume": Step(paused, "ana", "fay", lambda s, a, c, q, n: actions.resume(s, a, c, seq=q, now=n), "resumed"),
    "note": Step(
        accepted,
        "tom",
        "ivo",
        lambda s, a, c, q, n: actions.add_note(s, a, c, NewNote("Seen", Audience.COMPANIES), seq=q, now=n),
        "noted",
    ),
    "severity": Step(
        accepted,
        "tom",
        "ivo",
        lambda s, a, c, q, n: actions.change_severity(s, a, c, severity=1, reason="All doors", seq=q, now=n),
        "severity_changed",
    ),
    "task_class": Step(
        accepted,
        "ana",
        "fay",
        lambda s, a, c, q, n: actions.change_task_class(
            s, a, c, task_class=TaskClass.HOW_TO, reason="Training", seq=q, now=n
        ),
        "task_class_changed",
    ),
    "correct_circumstances": Step(
        asking,
        "ana",
        "fay",
        lambda s, a, c, q, n: actions.correct_circumstances(
            s, a, c, said=Circumstances(distance="12"), reason="Measured", seq=q, now=n
        ),
        "circumstances_corrected",
    ),
    "resolve": Step(
        accepted, "ana", "fay", lambda s, a, c, q, n: actions.resolve(s, a, c, RESOLVING, seq=q, now=n), "resolved"
    ),
    "confirm": Step(resolved, "tom", "ivo", lambda s, a, c, q, n: actions.confirm(s, a, c, seq=q, now=n), "confirmed"),
    "challenge": Step(
        resolved,
        "mia",
        "tom",
        lambda s, a, c, q, n: actions.challenge(
            s,
            a,
            c,
            subject="split",
            reason="We found it",
            proposal={"integrator_bp": 5000, "manufacturer_bp": 5000},
            seq=q,
            now=n,
        ),
        "challenged",
    ),
    "challenge_by_payer": Step(
        resolved,
        "bea",
        "cal",
        lambda s, a, c, q, n: actions.challenge(
            s, a, c, subject="cause", reason="It broke", proposal={"cause": "hardware_defect"}, seq=q, now=n
        ),
        "challenged",
    ),
    "confirm_fixed": Step(
        resolved, "cal", "flo", lambda s, a, c, q, n: actions.confirm_fixed(s, a, c, seq=q, now=n), "fixed_confirmed"
    ),
    "reopen": Step(
        resolved,
        "tom",
        "ivo",
        lambda s, a, c, q, n: actions.reopen(s, a, c, reason="It is back", seq=q, now=n),
        "reopened",
    ),
    "reopen_by_customer": Step(
        resolved,
        "cal",
        "flo",
        lambda s, a, c, q, n: actions.reopen(s, a, c, reason="It is back", seq=q, now=n),
        "reopened",
    ),
}

each_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)


def as_page(web_session, cast, name: str, case: SupportCase):
    """A page's session of that person, and the case as the page loads it."""
    actor = getattr(cast, name)
    session = web_session(scope_of(actor))
    return session, actor, queries.case_by_name(session, actor, case.name)


@each_step
def test_it_works_under_row_security_and_again_is_harmless(work_session, web_session, cast, step):
    case = step.made(work_session, cast)
    work_session.commit()
    session, actor, shown = as_page(web_session, cast, step.who, case)
    seq = shown.seq
    step.act(session, actor, shown, seq, LATER)
    session.commit()
    kinds = event_kinds(work_session, case)
    assert step.kind in kinds[seq:]

    with pytest.raises(Stale) as refused:
        step.act(session, actor, shown, seq, LATER)
    session.rollback()
    assert actor.display_name in [happening.who for happening in refused.value.since]
    assert event_kinds(work_session, case) == kinds


@each_step
def test_strangers_find_nothing(work_session, web_session, cast, step):
    case = step.made(work_session, cast)
    work_session.commit()
    for name in ("sam", "eve", "bob"):
        actor = getattr(cast, name)
        for session in (work_session, web_session(scope_of(actor))):
            with pytest.raises(NotFound):
                step.act(session, actor, case, case.seq, LATER)


@each_step
def test_wrong_person_is_refused(work_session, cast, step):
    case = step.made(work_session, cast)
    before = event_kinds(work_session, case)
    with pytest.raises((NotAllowed, Conflict)) as refused:
        step.act(work_session, getattr(cast, step.not_who), case, case.seq, LATER)
    assert not isinstance(refused.value, Stale)
    assert event_kinds(work_session, case) == before


@each_step
def test_stale_form_changes_nothing_and_says_what_happened(work_session, cast, step):
    case = step.made(work_session, cast)
    seen = case.seq
    actions.add_note(work_session, cast.eli, case, NewNote("Own thoughts", Audience.OWN), now=hours_later(2.2))
    actions.add_note(
        work_session, cast.tia, case, NewNote("News", Audience.CUSTOMER, substantive=False), now=hours_later(2.5)
    )
    before = event_kinds(work_session, case)

    with pytest.raises(Stale) as refused:
        step.act(work_session, getattr(cast, step.who), case, seen, LATER)

    last = refused.value.since[-1]
    assert (last.who, last.what, last.at) == ("Tia", "wrote a note", hours_later(2.5).isoformat())
    reads_own = getattr(cast, step.who).side == "manufacturer"
    assert ("Eli" in [happening.who for happening in refused.value.since]) is reads_own
    assert event_kinds(work_session, case) == before
