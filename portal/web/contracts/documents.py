"""Signed documents: which hold, what a version says and changes, who signed it, and signatures.

What is signed is what was shown: the form carries the hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, HiddenField, SelectField
from wtforms.validators import InputRequired, Optional

from portal.access import Side
from portal.contracts import actions, queries
from portal.contracts.agreement import Agreement
from portal.contracts.differences import Difference, differences
from portal.contracts.models import Document, DocumentVersion
from portal.contracts.policy import Policy
from portal.contracts.rules import version_in_force
from portal.contracts.wording import outline
from portal.directory import queries as directory
from portal.errors import Invalid
from portal.identity.queries import names as people_names
from portal.web.contracts.blueprint import (
    KINDS,
    blueprint,
    may_begin_documents,
    may_write_documents,
    own_document,
    seen_document,
)
from portal.web.forms import Form, line_field, page, refusals_of
from portal.web.gate import anyone, current_actor, current_now, current_session, open_to
from portal.web.stepping import confirmed
from portal.whatif.queries import may_ask


class NewDocumentForm(Form):
    kind = SelectField("Kind", choices=list(KINDS.items()), validators=[InputRequired("Choose.")])
    title = line_field("Title", required="Give it a title.", limit=120)
    integrator_id = SelectField("With which integrator", coerce=int, validators=[Optional()])


class SignForm(Form):
    shown_sha256 = HiddenField()
    read = BooleanField("I have read this version", validators=[InputRequired("Read it before you sign.")])


@dataclass(frozen=True)
class VersionLine:
    """A version in its document's list."""

    version: DocumentVersion
    state: str
    tone: str
    signed_by: tuple[str, ...]


@blueprint.get("/contracts")
@open_to(anyone)
def documents() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = queries.documents(session, actor)
    companies = [each for row in found for each in (row.manufacturer_id, row.integrator_id) if each is not None]
    return render_template(
        "contracts/documents.html",
        documents=[(each, _lines_of(each)) for each in found],
        names=directory.organisation_names(session, companies),
        kinds=KINDS,
        may_begin=may_begin_documents(actor),
        may_ask=may_ask(actor),
    )


@blueprint.route("/contracts/new", methods=["GET", "POST"])
@open_to(may_begin_documents)
def new_document() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    form = NewDocumentForm()
    integrators = directory.organisations(session, actor, Side.INTEGRATOR)
    form.integrator_id.choices = [(0, "Nobody: a policy is for all customers")] + [(o.id, o.name) for o in integrators]
    if form.validate_on_submit():
        with refusals_of(form):
            is_agreement = form.kind.data == "agreement"
            if is_agreement and not form.integrator_id.data:
                raise Invalid("Choose the integrator.", {"integrator_id": "Choose the integrator."})
            begun = actions.open_document(
                session,
                actor,
                kind=form.kind.data,
                title=form.title.data,
                integrator_id=form.integrator_id.data if is_agreement else None,
                now=current_now(),
            )
            return redirect(url_for("contracts.draft", contract_id=begun.id), code=303)
    return page("contracts/new_document.html", form)


@blueprint.get("/contracts/<int:contract_id>")
@open_to(anyone)
def document(contract_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = seen_document(contract_id)
    return render_template(
        "contracts/document.html",
        document=found,
        lines=_lines_of(found),
        kinds=KINDS,
        may_write=may_write_documents(actor) and actor.organisation_id in (found.manufacturer_id, found.integrator_id),
        draft=queries.draft(session, actor, contract_id),
    )


@blueprint.get("/contracts/versions/<int:version_id>")
@open_to(anyone)
def version(version_id: int) -> ResponseReturnValue:
    return _version_page(version_id, SignForm(None))


@blueprint.post("/contracts/versions/<int:version_id>/signature")
@open_to(may_write_documents)
@confirmed("sign this document")
def sign(version_id: int) -> ResponseReturnValue:
    found = _version(version_id)
    own_document(found.document_id)
    form = SignForm()
    if form.validate():
        with refusals_of(form):
            actions.sign_version(
                current_session(),
                current_actor(),
                found,
                shown_sha256=form.shown_sha256.data or "",
                now=current_now(),
            )
            flash("Signed.", "good")
            return redirect(url_for("contracts.version", version_id=version_id), code=303)
    return _version_page(version_id, form)


def _version_page(version_id: int, form: SignForm) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = _version(version_id)
    before = next((each for each in queries.versions(session, found.document_id) if each.number < found.number), None)
    signatures = queries.signatures(session, version_id)
    accepted = queries.acceptances(session, version_id) if found.kind == "policy" else ()
    parties = [party for party in (found.manufacturer_id, found.integrator_id) if party is not None]
    form.shown_sha256.data = form.shown_sha256.data or found.sha256
    return page(
        "contracts/version.html",
        form,
        version=found,
        document=queries.document(session, found.document_id),
        parts=outline(_value_of(found)),
        before=before,
        changes=_changes(before, found),
        signatures=signatures,
        accepted=accepted,
        missing=[party for party in parties if party not in {row.organisation_id for row in signatures}],
        names=directory.organisation_names(session, [*parties, *(row.customer_id for row in accepted)]),
        people=people_names(session, {row.person_id for row in signatures}),
        may_sign=may_write_documents(actor)
        and actor.organisation_id in parties
        and actor.organisation_id not in {row.organisation_id for row in signatures},
    )


def _value_of(found: DocumentVersion) -> Policy | Agreement:
    return queries.policy_of(found) if found.kind == "policy" else queries.agreement_of(found)


def _changes(before: DocumentVersion | None, found: DocumentVersion) -> Sequence[Difference]:
    if before is None:
        return ()
    if found.kind == "policy":
        return differences(queries.policy_of(before), queries.policy_of(found))
    return differences(queries.agreement_of(before), queries.agreement_of(found))


def _version(version_id: int) -> DocumentVersion:
    found = queries.version(current_session(), version_id)
    seen_document(found.document_id)
    return found


def _lines_of(found: Document) -> list[VersionLine]:
    session, now = current_session(), current_now()
    in_force = queries.versions_in_force(session, found.id)
    present = version_in_force(in_force, now)
    signed_ids = {row.version_id: row for row in in_force}
    lines = []
    for each in queries.versions(session, found.id):
        row = signed_ids.get(each.id)
        if row is None:
            state, tone = "Waits for signatures", "warn"
        elif present is not None and row.version_id == present.version_id:
            state, tone = "In force", "good"
        else:
            state, tone = ("To come", "accent") if row.effective_from > now else ("Replaced", "plain")
        signatures = queries.signatures(session, each.id)
        names = directory.organisation_names(session, [signature.organisation_id for signature in signatures])
        lines.append(VersionLine(each, state, tone, tuple(names.values())))
    return lines
