"""Tasks about how people sign in: they tell the person, and sweep what nobody can use any more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

import portal.notifications.security_letters  # noqa: F401  registers its letters
from portal.db import transaction
from portal.identity.factors import entering, resetting
from portal.notifications import security_notices
from portal.worker.registry import Edges, task


@task("notify_security")
def notify_security(session: Session, now: datetime, *, entry_id: int) -> None:
    security_notices.notify_security(session, entry_id, now)


@task("notify_break_glass")
def notify_break_glass(session: Session, now: datetime, *, entry_id: int) -> None:
    security_notices.notify_break_glass(session, entry_id, now)


@task("remind_of_tokens", every="27 5 * * *")
def remind_of_tokens(session: Session, now: datetime) -> None:
    security_notices.remind_of_tokens(session, now)


@task("mail_address_confirmation", own_transactions=True)
def mail_address_confirmation(edges: Edges, now: datetime, *, change_id: int) -> None:
    with transaction(edges.engine) as session:
        security_notices.mail_address_confirmation(session, change_id, secret=edges.settings.secret_key, now=now)


@task("mail_address_undo", own_transactions=True)
def mail_address_undo(edges: Edges, now: datetime, *, change_id: int) -> None:
    with transaction(edges.engine) as session:
        security_notices.mail_address_undo(session, change_id, secret=edges.settings.secret_key, now=now)


@task("reset_factors")
def reset_factors(session: Session, now: datetime, *, membership_id: int) -> None:
    resetting.reset_factors(session, membership_id, now)


@task("sweep_sign_ins", every="17 * * * *")
def sweep_sign_ins(session: Session, now: datetime) -> None:
    entering.sweep(session, now)
