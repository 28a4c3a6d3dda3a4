"""The blueprint of documents, who may write them, and the document an address names."""

from __future__ import annotations

from flask import Blueprint

from portal.access import Actor, Side, may_administer
from portal.contracts import queries
from portal.contracts.models import Document
from portal.errors import NotFound
from portal.web.gate import current_actor, current_session

blueprint = Blueprint("contracts", __name__)

KINDS = {"policy": "Service policy", "agreement": "Agreement"}


def may_begin_documents(actor: Actor) -> bool:
    """A document is opened by the manufacturer's administrator."""
    return actor.side is Side.MANUFACTURER and may_administer(actor)


def may_write_documents(actor: Actor) -> bool:
    """Drafting, proposing and signing are the two companies' administrators'."""
    return actor.side is not Side.CUSTOMER and may_administer(actor)


def seen_document(document_id: int) -> Document:
    """A document the viewer may read: an agreement is the two companies' own. *Raises*: NotFound."""
    found = queries.document(current_session(), document_id)
    actor = current_actor()
    is_foreign = actor.side is Side.MANUFACTURER and found.manufacturer_id != actor.organisation_id
    if is_foreign or (found.kind == "agreement" and actor.side is Side.CUSTOMER):
        raise NotFound
    return found


def own_document(document_id: int) -> Document:
    """A document the viewer's company writes. *Raises*: NotFound."""
    found = seen_document(document_id)
    if current_actor().organisation_id not in (found.manufacturer_id, found.integrator_id):
        raise NotFound
    return found
