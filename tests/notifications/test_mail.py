"""The mail edge against a real SMTP server, and the folder that keeps mail without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal.errors import ProviderTrouble
from portal.notifications.mail import FileMailer, Message, RecipientRefused, SmtpMailer, kept_mails
from tests.support.smtp import running_postbox

MESSAGE = Message("ana@nor.example", "Tür 4 öffnet nicht", "Grüße\n", "<p>Grüße</p>", "<delivery-1@factoryline>")
SENDER = "Factoryline <portal@example.com>"


def test_message_arrives_whole_when_sent() -> None:
    with running_postbox() as (postbox, url):
        SmtpMailer(url, SENDER).send(MESSAGE)
    (mail,) = postbox.mails
    assert (mail["Subject"], mail["To"], mail["Message-ID"]) == (MESSAGE.subject, MESSAGE.to, MESSAGE.message_id)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert postbox.text_of(mail).split() == ["Grüße"]


@pytest.mark.parametrize(
    ("answer", "error"), [("550 no such mailbox", RecipientRefused), ("451 try later", ProviderTrouble)]
)
def test_refusal_is_final_only_when_the_server_says_so(answer: str, error: type[Exception]) -> None:
    with running_postbox() as (postbox, url):
        postbox.answers.append(answer)
        with pytest.raises(error):
            SmtpMailer(url, SENDER).send(MESSAGE)
    assert postbox.mails == []


def test_trouble_is_said_when_no_server_answers() -> None:
    with running_postbox() as (_, url):
        pass
    with pytest.raises(ProviderTrouble):
        SmtpMailer(url, SENDER).send(MESSAGE)


def test_line_break_in_a_subject_forges_no_header(tmp_path: Path) -> None:
    forged = Message("ana@nor.example", "Hello\r\nBcc: eve@mer.example", "x", "x", "<delivery-2@factoryline>")
    FileMailer(tmp_path, SENDER).send(forged)
    (mail,) = kept_mails(tmp_path)
    assert mail.subject == "Hello Bcc: eve@mer.example"


def test_same_message_is_kept_once_and_newest_comes_first(tmp_path: Path) -> None:
    mailer = FileMailer(tmp_path / "mail", SENDER)
    for _ in range(2):
        mailer.send(MESSAGE)
    mailer.send(Message("b@example.com", "Second", "x", "x", "<delivery-2@factoryline>"))
    assert [mail.subject for mail in kept_mails(tmp_path / "mail")] == ["Second", MESSAGE.subject]


def test_nothing_is_kept_where_nothing_was_sent(tmp_path: Path) -> None:
    assert list(kept_mails(tmp_path / "none")) == []
