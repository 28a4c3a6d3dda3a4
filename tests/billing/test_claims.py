"""What the companies claim of each other: worked out by the agreement, moved by the other's yes."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from portal.billing.books import billing_problems
from portal.billing.supplements.beside import beside_case
from portal.billing.supplements.claims import NewClaim, answer_claim, claim, claims_in, settle_claim
from portal.billing.supplements.models import Claim, SupplementShare
from portal.billing.supplements.reading import supplements_of_case
from portal.contracts import actions as contracts
from portal.contracts import queries as contract_queries
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.payments.models import ConnectedAccount, Intent
from portal.settlement import yearly
from tests.contracts.test_owing import TABLES
from tests.support.beginnings import begins_with
from tests.support.billed import BILLED_AT, open_books, settled
from tests.support.cases import accepted, scope_of
from tests.support.cast import SIGNED_AT, everything, hours_later
from tests.support.documents import KESSLER, changed
from tests.support.settling import REVIEWED_AT, approved_and_disposed, close, statement_of

LABOUR = NewClaim("labour_credit", trips=1)
SALE = NewClaim("referral", sale="Q-77", technician_name="Tom", amount_minor=400_000)
PART = NewClaim("material", part="Power supply", serial="PS-1", rma="R-9", disposition="returned", amount_minor=9_900)


def resolved_case(session, cast):
    """A case under warranty, resolved as a defect, between companies whose agreement says what is owed."""
    open_books(session, cast)
    document = contract_queries.document(session, cast.agreement_version.document_id)
    body = changed(KESSLER, ("[settlement]", TABLES))
    version = contracts.propose_version(
        session, cast.adam, document, body_toml=body, effective_from=SIGNED_AT.replace(hour=23), now=SIGNED_AT
    )
    for who in (cast.adam, cast.ian):
        contracts.sign_version(session, who, version, shown_sha256=version.sha256, now=SIGNED_AT)
    cast.system.warranty_starts_on = SIGNED_AT.date()
    made = accepted(session, cast)
    settled(session, cast, made, cause="hardware_defect", last_action="part_replaced")
    return made


pytestmark = begins_with(resolved_case)


@pytest.fixture
def case(begun):
    return begun


def claimed(session, cast, case, new, who="tom", at=None):
    return claim(session, getattr(cast, who), case, new, now=at or hours_later(40))


def moved(session):
    return [
        (row.party_id, row.amount_minor)
        for row in session.scalars(select(SupplementShare).order_by(SupplementShare.id))
    ]


@pytest.mark.parametrize(("new", "minor"), [(LABOUR, 16_500), (SALE, 10_000), (PART, 9_900)])
def test_the_others_yes_moves_what_the_agreement_says(work_session, cast, case, new, minor):
    row = claimed(work_session, cast, case, new)
    assert row.amount_minor == minor
    assert settle_claim(work_session, row.id, now=BILLED_AT) is None
    answer_claim(work_session, cast.leo, row.id, accepted=True, reason="", now=hours_later(41))
    assert [
        job["args"] for job in everything(work_session, "procrastinate_jobs") if job["task_name"] == "settle_claim"
    ] == [{"claim_id": row.id}]
    one = settle_claim(work_session, row.id, now=BILLED_AT)
    assert (one.amount_minor, one.audience, one.kind) == (0, "companies", new.kind)
    assert sorted(moved(work_session)) == sorted([(cast.factory.id, -minor), (cast.integrator.id, minor)])
    assert settle_claim(work_session, row.id, now=BILLED_AT) is None
    assert billing_problems(work_session) == []
    assert "accepted by Leo" in " ".join(one.explanation["sentences"])


def test_person_and_part_are_noted(work_session, cast, case):
    for new, words in ((SALE, "Paid to the employer of Tom, for Q-77."), (PART, "serial PS-1, RMA R-9: returned.")):
        row = claimed(work_session, cast, case, new)
        answer_claim(work_session, cast.fay, row.id, accepted=True, reason="", now=hours_later(41))
        assert words in settle_claim(work_session, row.id, now=BILLED_AT).explanation["sentences"][-1]


def test_part_that_its_supplier_bears_is_noted_and_moves_nothing(work_session, cast, case):
    row = claimed(work_session, cast, case, PART, who="ana")
    assert (row.amount_minor, row.debtor_id) == (0, cast.factory.id)
    answer_claim(work_session, cast.mia, row.id, accepted=True, reason="", now=hours_later(41))
    assert settle_claim(work_session, row.id, now=BILLED_AT) is None


def test_a_no_needs_a_reason_and_a_claim_can_be_made_again(work_session, cast, case):
    row = claimed(work_session, cast, case, LABOUR)
    with pytest.raises(Invalid):
        claimed(work_session, cast, case, LABOUR)
    with pytest.raises(Invalid):
        answer_claim(work_session, cast.leo, row.id, accepted=False, reason=" ", now=hours_later(41))
    answer_claim(work_session, cast.leo, row.id, accepted=False, reason="Nobody went.", now=hours_later(41))
    with pytest.raises(Conflict):
        answer_claim(work_session, cast.leo, row.id, accepted=True, reason="", now=hours_later(41))
    assert settle_claim(work_session, row.id, now=BILLED_AT) is None
    assert claimed(work_session, cast, case, NewClaim("labour_credit")).amount_minor == 12_000


@pytest.mark.parametrize(
    ("new", "who", "refusal"),
    [
        (LABOUR, "ana", NotAllowed),
        (SALE, "leo", NotAllowed),
        (LABOUR, "ivo", NotAllowed),
        (LABOUR, "bea", NotFound),
        (LABOUR, "sam", NotFound),
        (NewClaim("gift"), "tom", Invalid),
        (NewClaim("referral", sale="Q-1", amount_minor=1), "tom", Invalid),
        (NewClaim("material", part="Lock"), "tom", Invalid),
        (NewClaim("material", part="Lock", disposition="eaten"), "tom", Invalid),
        (NewClaim("material", part="x" * 101, disposition="kept"), "tom", Invalid),
    ],
)
def test_what_nobody_may_claim(work_session, cast, case, new, who, refusal):
    with pytest.raises(refusal):
        claimed(work_session, cast, case, new, who=who)


def test_no_company_answers_itself_and_no_stranger_does(work_session, cast, case):
    row = claimed(work_session, cast, case, LABOUR)
    for who, refusal in (("mia", NotAllowed), ("ana", NotAllowed), ("eve", NotFound), ("flo", NotFound)):
        with pytest.raises(refusal):
            answer_claim(work_session, getattr(cast, who), row.id, accepted=True, reason="", now=hours_later(41))


def test_customer_reads_none_of_it(work_session, web_session, cast, case):
    row = claimed(work_session, cast, case, LABOUR)
    answer_claim(work_session, cast.leo, row.id, accepted=True, reason="", now=hours_later(41))
    settle_claim(work_session, row.id, now=BILLED_AT)
    work_session.commit()
    assert len(claims_in(beside_case(web_session(scope_of(cast.ivo)), case.id))) == 1
    session = web_session(scope_of(cast.bea))
    assert claims_in(beside_case(session, case.id)) == []
    assert supplements_of_case(session, cast.bea, case.id) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("company_id", "customer_id"),
        ("debtor_id", "customer_id"),
        ("amount_minor", "-1"),
        ("part", "''"),
        ("kind", "'gift'"),
        ("trips", "-1"),
    ],
)
def test_database_refuses_claims_that_cannot_be(work_session, cast, case, name, value):
    claimed(work_session, cast, case, PART)
    columns = [column.name for column in Claim.__table__.c if column.name != "id"]
    values = ", ".join(value if column == name else column for column in columns)
    with pytest.raises(IntegrityError), work_session.begin_nested():
        work_session.execute(text(f"INSERT INTO claim ({', '.join(columns)}) SELECT {values} FROM claim"))


def test_a_bonus_is_paid_on_another_form_of_the_year_than_labour(work_engine, work_session, cast, case):
    for new in (LABOUR, SALE):
        row = claimed(work_session, cast, case, new)
        answer_claim(work_session, cast.leo, row.id, accepted=True, reason="", now=hours_later(41))
        settle_claim(work_session, row.id, now=BILLED_AT)
    work_session.add(
        ConnectedAccount(
            organisation_id=cast.integrator.id, provider_account_id="acct_1", transfers_state="active",
            requirements={"open": []}, livemode=False, created_at=BILLED_AT, checked_at=BILLED_AT,
        )
    )  # fmt: skip
    work_session.commit()
    statement = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    assert approved_and_disposed(work_session, cast, statement) == {"transferred": 26_500}
    sent = work_session.scalars(select(Intent).where(Intent.kind == "transfer")).one()
    sent.state, sent.finished_at = "succeeded", REVIEWED_AT
    work_session.commit()
    paid = yearly.payments(work_session, cast.fay, 2026, cast.integrator.id, "EUR")
    assert sorted((one.form, one.amount_minor) for one in paid) == [("1099-MISC", 10_000), ("1099-NEC", 16_500)]
    forms = [(one.outcome.form.code, one.paid.paid_minor) for one in yearly.recipients(work_session, cast.fay, 2026)]
    assert forms == [("1099-MISC", 10_000), ("1099-NEC", 16_500)]
