"""Reads of deliveries: whether and when news reached somebody."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.cases.models import CaseEvent
from portal.notifications.models import Delivery


def second_notice_delivered_at(session: Session, *, case_id: int, resolution_id: int) -> datetime | None:
    """When the reminder of an unanswered resolution first left for the silent company; None before it has."""
    reminders = [
        str(event.id)
        for event in session.scalars(
            select(CaseEvent).where(CaseEvent.case_id == case_id, CaseEvent.kind == "second_notice")
        )
        if event.details.get("resolution_id") == resolution_id
    ]
    return session.scalar(
        select(func.min(Delivery.sent_at)).where(
            Delivery.object_type == "case_event", Delivery.object_id.in_(reminders), Delivery.state == "sent"
        )
    )
