"""Another version of the cast's policy, signed and in force before a story begins."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from portal.contracts import actions as contracts
from portal.contracts import queries
from portal.contracts.models import DocumentVersion
from tests.support.cast import SIGNED_AT, Cast
from tests.support.documents import AGREEMENT, POLICY, changed


def signed_policy(session: Session, cast: Cast, *changes: tuple[str, str]) -> DocumentVersion:
    """Nordlicht's policy with these replacements, in force since a day after the first."""
    return signed_text(session, cast, changed(POLICY, *changes))


def signed_text(session: Session, cast: Cast, body_toml: str) -> DocumentVersion:
    """A policy of Nordlicht's with this text, in force since a day after the first."""
    document = queries.document(session, cast.policy_version.document_id)
    since = SIGNED_AT + timedelta(days=1)
    version = contracts.propose_version(
        session, cast.adam, document, body_toml=body_toml, effective_from=since, now=SIGNED_AT
    )
    contracts.sign_version(session, cast.adam, version, shown_sha256=version.sha256, now=SIGNED_AT)
    return version


def signed_agreement(session: Session, cast: Cast, *changes: tuple[str, str]) -> DocumentVersion:
    """The agreement of Nordlicht and its integrator with these replacements, in force since a day after the first."""
    document = queries.document(session, cast.agreement_version.document_id)
    since = SIGNED_AT + timedelta(days=1)
    version = contracts.propose_version(
        session, cast.adam, document, body_toml=changed(AGREEMENT, *changes), effective_from=since, now=SIGNED_AT
    )
    for signer in (cast.adam, cast.ian):
        contracts.sign_version(session, signer, version, shown_sha256=version.sha256, now=SIGNED_AT)
    return version
