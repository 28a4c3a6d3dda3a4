"""Reads of what was asked, and the texts that may be asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from portal.access import Actor, Role, Side
from portal.contracts import queries as contracts
from portal.contracts.models import Document
from portal.errors import NotFound
from portal.whatif.models import WhatIf

LISTED_AT_MOST = 50


@dataclass(frozen=True)
class Text:
    """A text that can stand in for a signed document: the company's own draft, or a version by its number."""

    code: str
    words: str
    kind: str
    integrator_id: int | None
    body_toml: str


def may_ask(actor: Actor) -> bool:
    """Who signs for the manufacturer or the integrator may ask what a document would have changed."""
    return actor.side is not Side.CUSTOMER and actor.has(Role.ADMINISTRATOR)


def asked(session: Session, actor: Actor) -> Sequence[WhatIf]:
    """What the actor's company asked, the newest first, without results."""
    mine = WhatIf.organisation_id == actor.organisation_id
    statement = select(WhatIf).where(mine).order_by(WhatIf.id.desc()).limit(LISTED_AT_MOST)
    heavy = (WhatIf.result, WhatIf.policy_toml, WhatIf.agreement_toml)
    return session.scalars(statement.options(*(defer(column) for column in heavy))).all()


def what_if(session: Session, actor: Actor, what_if_id: int) -> WhatIf:
    """One question of the actor's company with its result. *Raises*: NotFound."""
    found = session.get(WhatIf, what_if_id)
    if found is None or found.organisation_id != actor.organisation_id or not may_ask(actor):
        raise NotFound
    return found


def texts(session: Session, actor: Actor) -> list[Text]:
    """Every text the actor's company may ask about: drafts of its own first, then versions, the newest first."""
    found = []
    for document in contracts.documents(session, actor):
        found += _texts_of(session, actor, document)
    return found


def _texts_of(session: Session, actor: Actor, document: Document) -> list[Text]:
    draft = contracts.draft(session, actor, document.id)
    found = [] if draft is None else [(f"draft-{document.id}", "draft", draft.body_toml)]
    for each in contracts.versions(session, document.id):
        found.append((f"version-{each.id}", f"version {each.number}", each.body_toml))
    return [
        Text(code, f"{document.title}, {which}", document.kind, document.integrator_id, body)
        for code, which, body in found
    ]
