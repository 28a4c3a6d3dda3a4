"""Who is told of what on a case, with which link, and what no letter says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Audience, Role
from portal.cases import actions as cases
from portal.cases.actions import NewCase
from portal.cases.models import ChallengeStep
from portal.contracts.queries import policy_of
from portal.entitlement.actions import StandingTerms, sign_standing
from portal.entitlement.models import AuthorizationRequest
from portal.identity.models import MailedLink
from portal.notifications import case_notices
from portal.notifications.mail import SmtpMailer
from portal.notifications.models import Delivery
from portal.worker.registry import Edges
from portal.worker.running import perform, run_pending
from tests.support.cast import NOW, Cast, add_person
from tests.support.smtp import running_postbox


class Kept:
    """Keeps what it is told to send."""

    def __init__(self) -> None:
        self.messages = []

    def send(self, message) -> None:
        self.messages.append(message)

    def about(self, words: str) -> set[str]:
        return {message.to.split("@")[0] for message in self.messages if words in message.subject}


@pytest.fixture
def post() -> Kept:
    return Kept()


@pytest.fixture
def edges(settings, work_engine, post) -> Edges:
    return Edges(replace(settings, base_url="https://portal.example"), work_engine, lambda: NOW, mailer=post)


def escalated(session: Session, cast: Cast, *, plain: bool = False):
    case = cases.escalate(
        session,
        cast.tom,
        NewCase(
            system_id=(cast.plain_system if plain else cast.system).id,
            severity=2,
            title="Door 4 <stays> locked",
            symptom="The reader blinks red.",
            answers={"serial": "NA-1001", "firmware": "4.2", "leds": "red"},
            nte_minor=40_000 if plain else None,
        ),
        now=NOW,
    )
    session.commit()
    return case


def run(edges: Edges) -> None:
    # Jobs of capabilities that this test does not need stay in the queue.
    run_pending(edges, raise_errors=False)


def test_factory_desk_gets_a_link_that_accepts(work_session, cast, edges, post) -> None:
    case = escalated(work_session, cast)
    run(edges)
    assert post.about("waits to be taken") == {"ana", "eli", "leo"}
    (mail,) = [message for message in post.messages if message.to.startswith("ana@") and "waits" in message.subject]
    assert "https://portal.example/link/" in mail.text
    assert f"https://portal.example/cases/{case.name}" in mail.text
    assert "&lt;stays&gt;" in mail.html


def test_technician_is_told_by_name_who_accepted(work_session, cast, edges, post) -> None:
    case = escalated(work_session, cast)
    run(edges)
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=NOW.replace(minute=2))
    work_session.commit()
    run(edges)
    assert post.about("Ana accepted the case") == {"tom"}


def test_offer_letter_is_not_sent_once_the_case_is_taken(work_session, cast, edges, post) -> None:
    case = escalated(work_session, cast)
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=NOW.replace(minute=2))
    work_session.commit()
    run(edges)
    assert post.about("waits to be taken") == set()


def test_buyer_is_asked_with_prices_and_nobody_else_reads_them(work_session, cast, edges, post) -> None:
    escalated(work_session, cast, plain=True)
    run(edges)
    assert post.about("may we work up to") == {"bea"}
    (asked,) = [message for message in post.messages if "may we work" in message.subject]
    assert "Up to: 400.00 EUR" in asked.text
    others = [message.text for message in post.messages if message is not asked]
    assert others
    assert not any("EUR" in body for body in others)


def test_internal_note_leaves_no_mail_to_the_other_company(work_session, cast, edges, post) -> None:
    case = escalated(work_session, cast)
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=NOW.replace(minute=2))
    cases.add_note(
        work_session,
        cast.ana,
        case,
        cases.NewNote("They always break this", audience=Audience.OWN),
        seq=case.seq,
        now=NOW.replace(minute=3),
    )
    work_session.commit()
    run(edges)
    assert not any("always break" in message.text + message.html for message in post.messages)


def test_note_to_both_companies_reaches_the_technician_with_its_words(work_session, cast, edges, post) -> None:
    case = escalated(work_session, cast)
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=NOW.replace(minute=2))
    cases.add_note(
        work_session,
        cast.ana,
        case,
        cases.NewNote("Please measure the lock's current", audience=Audience.COMPANIES),
        seq=case.seq,
        now=NOW.replace(minute=3),
    )
    work_session.commit()
    run(edges)
    assert post.about("Ana wrote a note") == {"tom"}
    assert any("> Please measure" in message.text for message in post.messages)


def test_same_event_makes_no_second_letter(work_session, cast, edges, post) -> None:
    escalated(work_session, cast, plain=True)
    run(edges)
    count = work_session.query(Delivery).count()
    for delivery in work_session.query(Delivery).filter_by(template="case_news"):
        perform(edges, "notify_case_event", {"event_id": int(delivery.object_id)})
    for delivery in work_session.query(Delivery).filter_by(template="authorization_request"):
        perform(edges, "notify_authorization_request", {"request_id": int(delivery.object_id)})
    assert work_session.query(Delivery).count() == count


def test_letters_pass_a_real_mail_server(work_session, cast, edges) -> None:
    escalated(work_session, cast)
    with running_postbox() as (postbox, url):
        run(replace(edges, mailer=SmtpMailer(url, "Factoryline <portal@example.com>")))
    assert len(postbox.to("leo@nor.example")) == 1


def test_neutral_is_asked_with_a_link_and_reads_no_share(work_session, cast, edges, post) -> None:
    case = escalated(work_session, cast)
    at = NOW.replace(minute=2)
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=at)
    resolving = cases.Resolving(cause="configuration", last_action="remote_configuration", summary="Reset.")
    cases.resolve(work_session, cast.ana, case, resolving, seq=case.seq, now=at)
    raised = cases.challenge(
        work_session,
        cast.mia,
        case,
        subject="split",
        reason="Tom found it",
        proposal={"integrator_bp": 9000, "manufacturer_bp": 1000},
        seq=case.seq,
        now=at,
    )
    work_session.commit()
    run(edges)
    perform(edges, "notify_neutral", {"challenge_id": raised.id})
    run(edges)
    (asked,) = [message for message in post.messages if "please decide" in message.subject]
    assert asked.to == "vogt@schlichtung.example"
    assert "https://portal.example/link/" in asked.text
    assert "90" not in asked.text.split("https://")[0]


def test_link_of_the_neutral_lasts_as_long_as_the_neutrals_days(work_session, cast, edges) -> None:
    case = escalated(work_session, cast)
    at = NOW.replace(minute=2)
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=at)
    resolving = cases.Resolving(cause="configuration", last_action="remote_configuration", summary="Reset.")
    cases.resolve(work_session, cast.ana, case, resolving, seq=case.seq, now=at)
    proposal = {"integrator_bp": 9000, "manufacturer_bp": 1000}
    raised = cases.challenge(
        work_session, cast.mia, case, subject="split", reason="Tom found it", proposal=proposal, seq=case.seq, now=at
    )
    managers_end = work_session.scalars(select(ChallengeStep.due_at)).one()
    cases.climb_ladder(work_session, raised.id, now=managers_end)
    work_session.commit()
    perform(replace(edges, clock=lambda: managers_end), "notify_neutral", {"challenge_id": raised.id})
    ends_at = work_session.scalars(select(MailedLink.expires_at).where(MailedLink.act == "decide_challenge")).one()
    neutrals_end = select(ChallengeStep.due_at).where(ChallengeStep.rung == "neutral")
    assert ends_at == work_session.scalars(neutrals_end).one()


def test_question_reaches_the_technician_with_links_that_answer_and_take_back(work_session, cast, edges, post) -> None:
    case = escalated(work_session, cast)
    at = NOW.replace(minute=2)
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=at)
    cases.ask_information(work_session, cast.ana, case, question="Which firmware?", seq=case.seq, now=at)
    work_session.commit()
    run(edges)
    (asked,) = [message for message in post.messages if "Ana asks" in message.subject]
    assert asked.to == "tom@kes.example"
    assert "> Which firmware?" in asked.text
    assert asked.text.count("https://portal.example/link/") == 2


def test_manager_is_asked_to_confirm_by_link(work_session, cast, edges, post) -> None:
    case = escalated(work_session, cast)
    at = NOW.replace(minute=2)
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=at)
    resolving = cases.Resolving(cause="configuration", last_action="remote_configuration", summary="Reset.")
    cases.resolve(work_session, cast.ana, case, resolving, seq=case.seq, now=at)
    work_session.commit()
    run(edges)
    assert post.about("is the resolution right?") == {"mia"}


def test_question_that_was_answered_is_not_mailed(work_session, cast, edges, post) -> None:
    case = escalated(work_session, cast)
    at = NOW.replace(minute=2)
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=at)
    cases.ask_information(work_session, cast.ana, case, question="Which firmware?", seq=case.seq, now=at)
    cases.answer_information(work_session, cast.tom, case, answer="4.2", seq=case.seq, now=at)
    work_session.commit()
    run(edges)
    assert post.about("Ana asks") == set()


def test_approvers_are_asked_in_their_order_each_after_the_one_before(work_session, cast, edges) -> None:
    second = add_person(work_session, cast.customer, "ben", Role.BUYER)
    terms = StandingTerms(0, 0, (1, 2, 3, 4), (second.person_id, cast.bea.person_id))
    policy = policy_of(cast.policy_version)
    sign_standing(work_session, cast.bea, cast.plan_choice, terms, policy=policy, now=NOW - timedelta(days=1))
    case = escalated(work_session, cast)
    waiting = select(AuthorizationRequest.id).where(AuthorizationRequest.case_id == case.id)
    request_id = work_session.scalars(waiting).one()

    def asked() -> list[str]:
        rows = work_session.scalars(select(Delivery.email).where(Delivery.template == "authorization_request"))
        return [email.split("@")[0] for email in rows]

    for place, told in ((0, ["ben"]), (1, ["ben", "bea"])):
        case_notices.notify_authorization_request(work_session, request_id, secret="s" * 32, now=NOW, place=place)
        assert asked() == told
    (later,) = work_session.execute(
        text("SELECT args, scheduled_at FROM procrastinate_jobs WHERE args ->> 'place' = '1'")
    ).all()
    assert (later.args["request_id"], later.scheduled_at) == (request_id, NOW + case_notices.NEXT_APPROVER_AFTER)


def test_nobody_else_is_asked_once_an_approver_has_answered(work_session, cast, edges) -> None:
    case = escalated(work_session, cast, plain=True)
    asked = select(AuthorizationRequest.id).where(AuthorizationRequest.case_id == case.id)
    request_id = work_session.scalars(asked).one()
    cases.authorize(work_session, cast.bea, request_id, nte_minor=40_000, now=NOW)
    case_notices.notify_authorization_request(work_session, request_id, secret="s" * 32, now=NOW)
    assert work_session.scalars(select(Delivery).where(Delivery.template == "authorization_request")).all() == []
