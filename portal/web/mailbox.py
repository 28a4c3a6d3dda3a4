"""Mail that was kept instead of sent: only where no mail server is named, only for the operator's administrators."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from portal.access import Actor, may_administer
from portal.errors import NotFound
from portal.notifications.mail import kept_mails
from portal.web.gate import current_edges, open_to

blueprint = Blueprint("mailbox", __name__)


def may_read_kept_mail(actor: Actor) -> bool:
    """Kept mail holds links that act for their recipients: the operator's administrators see it."""
    return actor.is_operator and may_administer(actor)


@blueprint.get("/kept-mail")
@open_to(may_read_kept_mail)
def mailbox() -> ResponseReturnValue:
    settings = current_edges().settings
    if settings.smtp_url or settings.is_production:
        raise NotFound
    return render_template("mailbox/mailbox.html", mails=list(kept_mails(settings.mail_dir)))
