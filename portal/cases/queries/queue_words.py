"""What the factory's queue is narrowed and labelled by: its product lines and the names of its plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import BigInteger, bindparam
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.contracts.models import DocumentVersion
from portal.contracts.queries import policy_id_in_force, policy_known_as
from portal.db import UtcDateTime
from portal.directory.models import ProductLine
from portal.rows import Together, read_together, together


@dataclass(frozen=True)
class QueueWords:
    """Names by id and by code; no plans before the first policy is in force."""

    product_lines: Mapping[int, str]
    plans: Mapping[str, str]


def queue_words(session: Session, actor: Actor, now: datetime) -> QueueWords:
    """Those of the actor's factory, the product lines by name; one statement, for every page of the queue asks."""
    rows = read_together(session, _words(), {"maker_id": actor.organisation_id, "at": now})
    lines = sorted((row.name, row.id) for row in rows[ProductLine])
    policies = [policy_known_as(session, row.id, row.sha256) for row in rows[DocumentVersion]]
    return QueueWords(
        {line_id: name for name, line_id in lines}, {plan.code: plan.name for each in policies for plan in each.plans}
    )


@cache
def _words() -> Together:
    maker_id = bindparam("maker_id", type_=BigInteger)
    in_force = policy_id_in_force(maker_id, bindparam("at", type_=UtcDateTime))
    return together(
        {ProductLine: ProductLine.manufacturer_id == maker_id, DocumentVersion: DocumentVersion.id == in_force},
        product_line=("id", "name"),
        document_version=("id", "sha256"),
    )
