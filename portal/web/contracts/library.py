"""Ready documents: what each is about, its worked examples as the quote prices them, and where to begin from it."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal.access import Actor
from portal.contracts import queries
from portal.contracts.models import Document
from portal.contracts.wording import outline
from portal.directory import queries as directory
from portal.quoting.library import NAMES, Ready, ready, worked_examples
from portal.quoting.printing import printed
from portal.web.contracts.blueprint import blueprint, may_write_documents
from portal.web.gate import current_actor, current_session, open_to


@blueprint.get("/contracts/library")
@open_to(may_write_documents)
def library() -> ResponseReturnValue:
    return render_template("contracts/library.html", ready=[ready(name) for name in NAMES])


@blueprint.get("/contracts/library/document")
@open_to(may_write_documents)
def ready_document() -> ResponseReturnValue:
    # Ready documents are everybody's: their names are no ids of anything.
    found = ready(request.args.get("name", ""))
    return render_template(
        "contracts/ready_document.html",
        ready=found,
        examples=[(each, printed(each).splitlines()[1:]) for each in worked_examples(found.name)],
        parts=outline(found.policy),
        terms=outline(found.agreement),
        own=own_documents(current_actor()),
    )


def own_documents(actor: Actor) -> list[Document]:
    """The documents that the actor's company may write."""
    session = current_session()
    companies = {actor.organisation_id}
    return [
        each for each in queries.documents(session, actor) if companies & {each.manufacturer_id, each.integrator_id}
    ]


def begun_with(found: Ready, document: Document) -> str:
    """The ready text for a document of its kind, with the codes of the companies that it is between."""
    ids = {"MAKER": document.manufacturer_id, "INTEG": document.integrator_id}
    session = current_session()
    codes = {
        placeholder: directory.organisation(session, company_id).code
        for placeholder, company_id in ids.items()
        if company_id is not None
    }
    return found.text(document.kind, codes)
