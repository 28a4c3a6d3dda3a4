"""Documents: proposed, signed by exactly their hash, in force when everybody signed; plans chosen by hash."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.contracts import actions, queries
from portal.contracts.models import DocumentInForce, DocumentVersion
from portal.db import Scope
from portal.errors import Conflict, DocumentInvalid, Invalid, NotAllowed, NotFound
from tests.support.cast import DOCUMENTS, NOW, SIGNED_AT, Cast
from tests.support.versions import signed_policy

POLICY = (DOCUMENTS / "nordlicht_policy.toml").read_text("utf-8")
AGREEMENT = (DOCUMENTS / "nordlicht_kessler_agreement.toml").read_text("utf-8")


def proposed(session: Session, cast: Cast) -> DocumentVersion:
    document = queries.document(session, cast.agreement_version.document_id)
    return actions.propose_version(
        session, cast.adam, document, body_toml=AGREEMENT, effective_from=NOW + timedelta(days=30), now=NOW
    )


def test_documents_are_in_force_when_everybody_signed(work_session: Session, cast: Cast) -> None:
    assert queries.policy_in_force(work_session, cast.factory.id, NOW).version.id == cast.policy_version.id
    found = queries.agreement_in_force(work_session, cast.factory.id, cast.integrator.id, NOW)
    assert found is not None
    assert found.version.id == cast.agreement_version.id


def test_no_policy_holds_before_the_first(work_session: Session, cast: Cast) -> None:
    with pytest.raises(NotFound):
        queries.policy_in_force(work_session, cast.factory.id, SIGNED_AT - timedelta(seconds=1))


def test_house_terms_hold_where_no_agreement_is(work_session: Session, cast: Cast) -> None:
    assert queries.agreement_in_force(work_session, cast.factory.id, cast.other_integrator.id, NOW) is None
    assert queries.agreement_in_force(work_session, cast.factory.id, cast.factory.id, NOW) is None


def test_one_signature_of_two_brings_nothing_into_force(work_session: Session, cast: Cast) -> None:
    version = proposed(work_session, cast)
    actions.sign_version(work_session, cast.adam, version, shown_sha256=version.sha256, now=NOW)
    later = version.effective_from + timedelta(days=1)
    found = queries.agreement_in_force(work_session, cast.factory.id, cast.integrator.id, later)
    assert found is not None
    assert found.version.id == cast.agreement_version.id
    actions.sign_version(work_session, cast.ian, version, shown_sha256=version.sha256, now=NOW)
    found = queries.agreement_in_force(work_session, cast.factory.id, cast.integrator.id, later)
    assert found is not None
    assert found.version.id == version.id


def test_database_refuses_a_version_in_force_that_lacks_a_signature(work_session: Session, cast: Cast) -> None:
    version = proposed(work_session, cast)
    actions.sign_version(work_session, cast.adam, version, shown_sha256=version.sha256, now=NOW)
    work_session.add(
        DocumentInForce(
            document_id=version.document_id,
            version_id=version.id,
            kind=version.kind,
            manufacturer_id=version.manufacturer_id,
            integrator_id=version.integrator_id,
            effective_from=version.effective_from,
            recorded_at=NOW,
        )
    )
    with pytest.raises(DBAPIError, match="not signed by everybody"):
        work_session.flush()


def test_last_signature_counts_under_row_security_too(web_session, work_session: Session, cast: Cast) -> None:
    version = proposed(work_session, cast)
    actions.sign_version(work_session, cast.adam, version, shown_sha256=version.sha256, now=NOW)
    work_session.commit()
    session = web_session(Scope(cast.ian.organisation_id, cast.ian.person_id))
    shown = queries.version(session, version.id)
    actions.sign_version(session, cast.ian, shown, shown_sha256=shown.sha256, now=NOW)
    session.commit()
    assert work_session.query(DocumentInForce).filter_by(version_id=version.id).count() == 1


def test_signing_is_refused_when_another_text_was_shown(work_session: Session, cast: Cast) -> None:
    version = proposed(work_session, cast)
    with pytest.raises(Conflict):
        actions.sign_version(work_session, cast.ian, version, shown_sha256="0" * 64, now=NOW)


def test_second_signature_of_a_company_changes_nothing(work_session: Session, cast: Cast) -> None:
    version = proposed(work_session, cast)
    first = actions.sign_version(work_session, cast.adam, version, shown_sha256=version.sha256, now=NOW)
    again = actions.sign_version(work_session, cast.adam, version, shown_sha256=version.sha256, now=NOW)
    assert again.id == first.id


@pytest.mark.parametrize("name", ["mia", "fay", "bea"])
def test_signing_is_refused_when_not_an_administrator(work_session: Session, cast: Cast, name: str) -> None:
    version = proposed(work_session, cast)
    with pytest.raises(NotAllowed):
        actions.sign_version(work_session, getattr(cast, name), version, shown_sha256=version.sha256, now=NOW)


def test_proposal_names_line_and_key_when_the_text_is_wrong(work_session: Session, cast: Cast) -> None:
    document = queries.document(work_session, cast.policy_version.document_id)
    wrong = POLICY.replace('direction = "up"', 'direction = "sideways"')
    with pytest.raises(DocumentInvalid) as refused:
        actions.propose_version(work_session, cast.adam, document, body_toml=wrong, effective_from=NOW, now=NOW)
    (problem,) = refused.value.problems
    assert problem.line == wrong[: wrong.index("sideways")].count("\n") + 1
    assert "rounding.direction" in problem.key


def test_draft_is_kept_however_wrong(work_session: Session, cast: Cast) -> None:
    document = queries.document(work_session, cast.policy_version.document_id)
    actions.save_draft(work_session, cast.adam, document, "not = [toml", NOW)
    actions.save_draft(work_session, cast.adam, document, "still not = [toml", NOW)
    kept = queries.draft(work_session, cast.adam, document.id)
    assert kept is not None
    assert kept.body_toml == "still not = [toml"


def test_stranger_finds_no_agreement_under_row_security(web_session, cast: Cast) -> None:
    session = web_session(Scope(cast.sam.organisation_id, cast.sam.person_id))
    with pytest.raises(NotFound):
        queries.version(session, cast.agreement_version.id)


def test_customer_finds_the_policy_but_no_agreement(web_session, cast: Cast) -> None:
    session = web_session(Scope(cast.bea.organisation_id, cast.bea.person_id))
    assert queries.version(session, cast.policy_version.id).sha256 == cast.policy_version.sha256
    with pytest.raises(NotFound):
        queries.version(session, cast.agreement_version.id)


def test_plan_holds_from_its_instant_until_the_next(work_session: Session, cast: Cast) -> None:
    actions.choose_plan(
        work_session,
        cast.bea,
        site=cast.site,
        version=cast.policy_version,
        shown_sha256=cast.policy_version.sha256,
        plan_code="complimentary",
        from_at=NOW,
        now=NOW,
    )
    chosen = [
        queries.plan_choice_at(work_session, site_id=cast.site.id, manufacturer_id=cast.factory.id, at=at)
        for at in (SIGNED_AT - timedelta(seconds=1), NOW - timedelta(seconds=1), NOW)
    ]
    assert [choice.plan_code if choice else None for choice in chosen] == [None, "assured", "complimentary"]


def test_a_plan_is_kept_for_its_minimum_term_unless_a_dearer_one_follows(work_session: Session, cast: Cast) -> None:
    said = ("rank = 20\n", "rank = 20\nminimum_months = 12\n")
    version = signed_policy(work_session, cast, said)

    def choose(code: str, at: datetime) -> None:
        actions.choose_plan(
            work_session, cast.bea, site=cast.plain_site, version=version, shown_sha256=version.sha256,
            plan_code=code, from_at=at, now=at,
        )  # fmt: skip

    choose("assured", NOW)
    choose("assured", NOW + timedelta(days=200))
    with pytest.raises(Invalid, match="Assured is taken until 2027-03-10"):
        choose("complimentary", NOW + timedelta(days=364))
    choose("complimentary", NOW + timedelta(days=365))


@pytest.mark.parametrize(
    ("who", "plan", "sha256", "error"),
    [
        ("cal", "assured", None, NotAllowed),
        ("tom", "assured", None, NotAllowed),
        ("bob", "assured", None, NotFound),
        ("bea", "golden", None, Invalid),
        ("bea", "assured", "0" * 64, Conflict),
    ],
)
def test_plan_is_refused_when_not_the_buyers_informed_choice(
    work_session: Session, cast: Cast, who: str, plan: str, sha256: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        actions.choose_plan(
            work_session,
            getattr(cast, who),
            site=cast.site,
            version=cast.policy_version,
            shown_sha256=sha256 or cast.policy_version.sha256,
            plan_code=plan,
            from_at=NOW,
            now=NOW,
        )
