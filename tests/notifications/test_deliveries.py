"""Deliveries: queued once, sent once, kept while a mail server is down, never forged by what people typed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from portal.access import Role
from portal.config import Settings
from portal.errors import ProviderTrouble
from portal.identity import actions as identity
from portal.identity import people
from portal.identity.sessions import Browser
from portal.notifications import actions
from portal.notifications.actions import Recipient, queue_letter
from portal.notifications.mail import Message, RecipientRefused, SmtpMailer
from portal.notifications.models import Delivery
from portal.notifications.rendering import Fact, Letter, rendered
from portal.worker.registry import Edges
from portal.worker.running import run_pending
from tests.support.cast import NOW, Cast
from tests.support.smtp import Postbox, running_postbox


@dataclass
class TroubledMailer:
    """Fails as often as told, then takes everything."""

    failures: list[Exception]
    taken: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(message)


@pytest.fixture
def post() -> Iterator[tuple[Postbox, str]]:
    with running_postbox() as running:
        yield running


def edges(settings: Settings, work_engine, mailer, now=NOW) -> Edges:
    return Edges(replace(settings, base_url="https://portal.example"), work_engine, lambda: now, mailer=mailer)


def queue_one(session: Session, cast: Cast, once: str | None = None) -> int | None:
    recipient = Recipient(cast.integrator.id, "mia@kes.example", cast.mia.person_id)
    return queue_letter(
        session,
        recipient,
        "version_proposed",
        about=("document_version", cast.agreement_version.id),
        now=NOW,
        once=once,
    )


def test_invitation_arrives_with_a_link(work_session: Session, cast: Cast, settings, work_engine, post) -> None:
    postbox, url = post
    people.invite(
        work_session,
        cast.ian,
        email="new@kes.example",
        name="Nele <b>Neu</b>",
        roles=[Role.TECHNICIAN],
        secret=settings.secret_key,
        now=NOW,
    )
    work_session.commit()
    run_pending(edges(settings, work_engine, SmtpMailer(url, "portal@example.com")))
    (mail,) = postbox.to("new@kes.example")
    text = postbox.text_of(mail)
    assert "https://portal.example/link/" in text
    assert "Ian of Kessler Sicherheit invites you" in text
    html = mail.get_body(("html",)).get_content()
    assert "<b>Neu" not in html
    assert "&lt;b&gt;Neu" in html


def test_reset_mail_is_sent_to_people_only(work_session: Session, cast: Cast, settings, work_engine, post) -> None:
    postbox, url = post
    browser = Browser(address="198.51.100.7", user_agent="test")
    for email in ("tom@kes.example", "nobody@kes.example"):
        identity.ask_for_reset(work_session, email=email, browser=browser, now=NOW)
    work_session.commit()
    run_pending(edges(settings, work_engine, SmtpMailer(url, "portal@example.com")))
    assert [mail["To"] for mail in postbox.mails] == ["tom@kes.example"]


def test_same_news_is_one_delivery(work_session: Session, cast: Cast) -> None:
    assert queue_one(work_session, cast, once="version:1") is not None
    assert queue_one(work_session, cast, once="version:1") is None


def test_delivery_waits_when_the_server_is_down(work_session: Session, cast: Cast, settings, work_engine) -> None:
    queue_one(work_session, cast)
    work_session.commit()
    mailer = TroubledMailer([ProviderTrouble("down")])
    run_pending(edges(settings, work_engine, mailer), raise_errors=False)
    delivery = work_session.query(Delivery).one()
    assert (delivery.state, delivery.attempts, delivery.last_failure) == ("queued", 1, "down")
    run_pending(edges(settings, work_engine, mailer, now=NOW + timedelta(minutes=1)))
    work_session.expire_all()
    assert (delivery.state, delivery.attempts) == ("sent", 2)
    assert len(mailer.taken) == 1


def test_delivery_fails_when_the_address_is_refused(work_session: Session, cast: Cast, settings, work_engine) -> None:
    queue_one(work_session, cast)
    work_session.commit()
    run_pending(edges(settings, work_engine, TroubledMailer([RecipientRefused("no such mailbox")])))
    assert work_session.query(Delivery.state).scalar() == "failed"


def test_delivery_is_sent_once_when_its_job_runs_twice(
    work_session: Session, cast: Cast, settings, work_engine
) -> None:
    delivery_id = queue_one(work_session, cast)
    work_session.commit()
    mailer = TroubledMailer([])
    for _ in range(2):
        actions.send_delivery(
            work_engine, mailer, delivery_id or 0, write=lambda _session, _delivery: Letter("News", ("Hello",)), now=NOW
        )
    assert len(mailer.taken) == 1


def test_sweep_finds_a_delivery_whose_job_was_lost(work_session: Session, cast: Cast) -> None:
    queue_one(work_session, cast)
    assert actions.sweep_deliveries(work_session, NOW + timedelta(minutes=29)) == 0
    assert actions.sweep_deliveries(work_session, NOW + timedelta(minutes=31)) == 1


def test_reset_link_that_was_used_is_not_mailed(work_session: Session, cast: Cast, settings, work_engine) -> None:
    link = identity.create_reset_link(work_session, cast.tom.person_id, secret=settings.secret_key, now=NOW)
    assert link is not None
    recipient = Recipient(link.organisation_id, link.email, cast.tom.person_id)
    queue_letter(work_session, recipient, "password_reset", about=("mailed_link", link.id), now=NOW)
    work_session.commit()
    mailer = TroubledMailer([])
    run_pending(edges(settings, work_engine, mailer, now=NOW + timedelta(hours=3)))
    assert mailer.taken == []
    assert work_session.query(Delivery.state).scalar() == "sent"


def test_letter_reads_in_text_and_html() -> None:
    letter = Letter(
        subject="Door 4",
        greeting="Hello Ana",
        sentences=("Tom asks <you>.",),
        facts=(Fact("Due", "14:35"),),
        quote="line one\nline two",
        button=("Take it", "https://portal.example/x?a=1&b=2"),
        aside="Small",
    )
    both = rendered(letter)
    said = "Hello Ana, Tom asks <you>. > line one > line two Due: 14:35 Take it: https://portal.example/x?a=1&b=2 Small"
    assert " ".join(both.text.split()) == said
    assert "Tom asks &lt;you&gt;." in both.html
    assert 'href="https://portal.example/x?a=1&amp;b=2"' in both.html
