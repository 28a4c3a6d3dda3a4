"""For every argument in an address, something of the cast that a stranger must not reach.

The isolation test fails for an argument that is not named here, so a new page cannot be forgotten.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Audience, Role
from portal.billing.supplements.models import Claim
from portal.cases import actions as cases
from portal.cases.actions import NewUpload, keep_upload
from portal.cases.models import CaseClock
from portal.directory import actions as directory
from portal.directory.models import Certificate
from portal.entitlement.models import AuthorizationRequest
from portal.entitlement.orders.actions import NewOrder, OrderDocument, enter_order
from portal.identity import impersonation, people
from portal.identity.factors.models import Passkey
from portal.identity.models import WebSession
from portal.identity.scim import tokens
from portal.identity.sso import domains, settings
from portal.identity.sso.models import IdentityProvider, ProviderFlow, ProviderIdentity
from portal.metering import actions as metering
from portal.metering.actions import Work
from portal.metering.parts import NewPart, record_part
from portal.selling.actions import Place, Terms, keep_exemption, make_code, make_offer, order
from portal.selling.models import Purchase
from portal.selling.rules import Promotion
from portal.taxes.actions import record_registration
from portal.taxes.models import FilingRequest
from portal.whatif import queries as what_if
from portal.whatif.actions import Asked, ask
from tests.support import cases as stories
from tests.support import self_billing
from tests.support.builders import opened_case
from tests.support.buying import pack_order
from tests.support.cast import NOW, Cast, hours_later
from tests.support.sign_in import membership_of
from tests.web.support import money

Sample = Callable[[Session, Cast], Any]


def _membership(session: Session, cast: Cast) -> int:
    return membership_of(session, cast.ana).id


def _invitation(session: Session, cast: Cast) -> int:
    return people.invite(
        session, cast.adam, email="nina@nor.example", name="Nina", roles=[Role.ENGINEER], secret="s" * 32, now=NOW
    ).id


def _session(session: Session, cast: Cast) -> uuid.UUID:
    place = membership_of(session, cast.ana)
    row = WebSession(
        token_sha256=b"x" * 32,
        person_id=place.person_id,
        membership_id=place.id,
        organisation_id=place.organisation_id,
        created_at=NOW,
        seen_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )
    session.add(row)
    session.flush()
    return session.scalars(select(WebSession.id).where(WebSession.token_sha256 == b"x" * 32)).one()


def _time_entry(session: Session, cast: Cast) -> int:
    work = Work("remote", "support", "Read the log")
    case = opened_case(session, cast)
    started_at, ended_at = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    return metering.enter_time(session, cast.ana, case, work, started_at=started_at, ended_at=ended_at, now=NOW).id


def _upload(session: Session, cast: Cast) -> uuid.UUID:
    stored = NewUpload(storage_key=str(uuid.uuid4()), sha256="0" * 64, size_bytes=1, file_name="a", content_type="a/b")
    return keep_upload(session, cast.tom, stored, now=NOW).id


def _case(session: Session, cast: Cast) -> str:
    return opened_case(session, cast).name


def _challenge(session: Session, cast: Cast) -> int:
    case = stories.resolved(session, cast)
    proposal = {"integrator_bp": 10_000, "manufacturer_bp": 0}
    raised = cases.challenge(
        session, cast.mia, case, subject="split", reason="Ours", proposal=proposal, seq=case.seq, now=hours_later(3)
    )
    return raised.id


def _attachment(session: Session, cast: Cast) -> uuid.UUID:
    case = stories.escalated(session, cast)
    stored = NewUpload(str(uuid.uuid4()), "0" * 64, 3, "log.txt", "text/plain")
    upload = cases.keep_upload(session, cast.ana, stored, now=NOW)
    cases.attach_files(session, cast.ana, case, [upload.id], audience=Audience.CUSTOMER, now=NOW)
    return upload.id


def _clock(session: Session, cast: Cast) -> int:
    case = stories.escalated(session, cast)
    return session.scalars(select(CaseClock.id).where(CaseClock.case_id == case.id).limit(1)).one()


def _dispute(session: Session, cast: Cast) -> int:
    case = stories.accepted(session, cast)
    cases.change_severity(session, cast.ana, case, severity=3, reason="One door only", seq=case.seq, now=hours_later(1))
    return cases.challenge_severity(
        session, cast.mia, case, reason="Every door of the ward", seq=case.seq, now=hours_later(2)
    ).id


def _known_issue(session: Session, cast: Cast) -> int:
    return cases.open_known_issue(
        session,
        cast.ana,
        product_line_id=cast.product_line.id,
        title="Nordlicht readers freeze",
        advice="Update them.",
        cause="firmware_defect",
        now=NOW,
    ).id


def _request(session: Session, cast: Cast) -> int:
    case = stories.escalated(session, cast, system_id=cast.plain_system.id)
    return session.scalars(select(AuthorizationRequest.id).where(AuthorizationRequest.case_id == case.id)).one()


def _punch_item(session: Session, cast: Cast) -> int:
    return directory.add_punch_item(
        session, cast.mia, cast.system, integrator_id=cast.integrator.id, description="Nordlicht label", now=NOW
    ).id


def _passkey(session: Session, cast: Cast) -> int:
    row = Passkey(
        person_id=cast.ana.person_id,
        credential_id=b"nordlicht",
        public_key=b"",
        sign_count=0,
        is_backed_up=False,
        name="Nordlicht phone",
        created_at=NOW,
    )
    session.add(row)
    session.flush()
    return row.id


def _provider_of(session: Session, cast: Cast) -> IdentityProvider:
    known = session.scalars(select(IdentityProvider)).one_or_none()
    if known is not None:
        return known
    wanted = settings.Wanted("https://login.nordlicht.example", "portal", "Nordlicht", "", is_enabled=True)
    return settings.keep_provider(session, cast.adam, wanted, secret="s" * 32, allows_http=False, now=NOW)


def _token(session: Session, cast: Cast) -> int:
    tokens.make_token(session, cast.adam, "Nordlicht directory", NOW)
    return tokens.own_tokens(session, cast.adam)[0].id


def _flow(session: Session, cast: Cast) -> uuid.UUID:
    idp = _provider_of(session, cast)
    flow = ProviderFlow(
        id=uuid.uuid4(),
        organisation_id=idp.organisation_id,
        provider_id=idp.id,
        issuer=idp.issuer,
        purpose="test",
        state_sha256=b"x" * 32,
        browser_sha256=b"x" * 32,
        person_id=cast.adam.person_id,
        wanted="",
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=10),
        answered={"checks": []},
        answered_at=NOW,
    )
    session.add(flow)
    session.flush()
    return flow.id


def _identity(session: Session, cast: Cast) -> int:
    idp = _provider_of(session, cast)
    row = ProviderIdentity(
        organisation_id=idp.organisation_id,
        issuer=idp.issuer,
        subject="Nordlicht",
        person_id=cast.ana.person_id,
        confirmed_by="own sign-in",
        linked_at=NOW,
    )
    session.add(row)
    session.flush()
    return row.id


def _wish(session: Session, cast: Cast) -> int:
    return impersonation.ask(session, cast.adam, _membership(session, cast), "Nordlicht", NOW).id


def _what_if(session: Session, cast: Cast) -> int:
    (text, *_) = what_if.texts(session, cast.adam)
    wanted = Asked(cast.factory.id, None, NOW - timedelta(days=30), NOW, policy=text)
    return ask(session, cast.adam, wanted, now=NOW).id


def _order(session: Session, cast: Cast) -> int:
    paper = OrderDocument(str(uuid.uuid4()), "0" * 64, "Nordlicht.pdf")
    new = NewOrder(cast.factory.id, cast.integrator.id, "Nordlicht 1", "EUR", 1_000, document=paper)
    return enter_order(session, cast.fay, new, now=NOW).id


def _purchase(session: Session, cast: Cast) -> Purchase:
    known = session.scalars(select(Purchase)).first()
    return known or order(session, cast.bea, pack_order(cast), Place("https://portal.example"), now=NOW)


def _offer(session: Session, cast: Cast) -> int:
    terms = Terms(cast.plain_site.id, cast.factory.id, "pack", "hours_10", "once", 1, 135_000, 14)
    return make_offer(session, cast.mia, terms, now=NOW).id


def _promotion_code(session: Session, cast: Cast) -> int:
    wanted = Promotion("NORDLICHT", 10, None, "EUR", (), NOW, None)
    return make_code(session, cast.fay, wanted, now=NOW).id


def _filing_request(session: Session, cast: Cast) -> int:
    row = FilingRequest(manufacturer_id=cast.factory.id, year=2026, asked_by=cast.fay.person_id, asked_at=NOW)
    session.add(row)
    session.flush()
    return row.id


def _exemption(session: Session, cast: Cast) -> int:
    days = {"valid_from": NOW.date(), "expires_on": NOW.date() + timedelta(days=90)}
    return keep_exemption(session, cast.bea, jurisdiction="Nordlicht", number="1", now=NOW, **days).id


def _claim(session: Session, cast: Cast) -> int:
    case = stories.resolved(session, cast)
    row = Claim(
        case_id=case.id, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id,
        customer_id=case.customer_id, kind="labour_credit", company_id=case.integrator_id,
        debtor_id=case.manufacturer_id, trips=0, part="", serial="", rma="", disposition="", sale="",
        technician_name="", currency="EUR", price_minor=0, amount_minor=100, explanation={"sentences": ["Nordlicht"]},
        agreement_version_id=cast.agreement_version.id, claimed_by=cast.tom.person_id, claimed_name="Tom",
        claimed_at=NOW,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row.id


def _part(session: Session, cast: Cast) -> int:
    case = stories.accepted(session, cast)
    new = NewPart("Power supply", 8_000, "manufacturer", "returned", on_customer=True)
    return record_part(session, cast.ana, case, new, fitted_at=case.opened_at, now=case.opened_at).id


def _registration(session: Session, cast: Cast) -> int:
    return record_registration(
        session, cast.ivo, country="DE", number="DE111111111", valid_from=NOW.date(), valid_to=None, now=NOW
    ).id


def _deferred_month(session: Session, cast: Cast) -> str:
    money.plan_month(session, cast)
    return "2026-03"


SAMPLES: dict[str, Sample] = {
    "purchase_key": lambda session, cast: _purchase(session, cast).form_key,
    "purchase_id": lambda session, cast: _purchase(session, cast).id,
    "receipt_id": lambda session, cast: money.prepayment(session, cast, _purchase(session, cast)).id,
    "change_id": lambda session, cast: money.outside_change(session, cast).id,
    "claw_back_id": lambda session, cast: money.claw_back(session, cast).id,
    "write_off_id": lambda session, cast: money.write_off(session, cast).id,
    "filing_request_id": _filing_request,
    "offer_id": _offer,
    "exemption_id": _exemption,
    "promotion_code_id": _promotion_code,
    "kind": lambda session, cast: "pack",
    "code": lambda session, cast: "hours_10",
    "interval": lambda session, cast: "once",
    "what_if_id": _what_if,
    "order_id": _order,
    "claim_id": _claim,
    "part_id": _part,
    "supplement_id": lambda session, cast: money.credit_for_a_promise(session, cast).id,
    "passkey_id": _passkey,
    "wish_id": _wish,
    "flow_id": _flow,
    "token_id": _token,
    "identity_id": _identity,
    "domain_id": lambda session, cast: domains.claim_domain(session, cast.adam, "nordlicht.example", now=NOW).id,
    "name": _case,
    "challenge_id": _challenge,
    "clock_id": _clock,
    "dispute_id": _dispute,
    "attachment_id": _attachment,
    "issue_id": _known_issue,
    "membership_id": _membership,
    "invitation_id": _invitation,
    "session_id": _session,
    "request_id": _request,
    "site_id": lambda session, cast: cast.site.id,
    "manufacturer_id": lambda session, cast: cast.factory.id,
    "contract_id": lambda session, cast: cast.policy_version.document_id,
    "version_id": lambda session, cast: cast.policy_version.id,
    "organisation_id": lambda session, cast: cast.integrator.id,
    "punch_item_id": _punch_item,
    "system_id": lambda session, cast: cast.system.id,
    "upload_id": _upload,
    "entry_id": _time_entry,
    "account_id": lambda session, cast: money.some_account(session, cast).id,
    "transaction_id": lambda session, cast: money.some_transaction(session, cast).id,
    "item_id": lambda session, cast: money.billed_item(session, cast).id,
    "line_id": lambda session, cast: money.bill_line(session, cast).id,
    "certificate_id": lambda session, cast: session.scalars(select(Certificate.id)).first(),
    "plan_sale_id": lambda session, cast: money.plan_month(session, cast).id,
    "pack_sale_id": lambda session, cast: money.sold_pack(session, cast).id,
    "query_id": lambda session, cast: money.asked_question(session, cast).id,
    "invoice_id": lambda session, cast: money.issued_invoice(session, cast).id,
    "record_id": lambda session, cast: money.recorded_payment(session, cast).id,
    "agreement_id": lambda session, cast: self_billing.offered(session, cast).id,
    "registration_id": _registration,
    "year": lambda session, cast: 2026,
    "period_id": lambda session, cast: money.open_period(session, cast).id,
    "statement_id": lambda session, cast: money.closed_statement(session, cast).id,
    "statement_line_id": lambda session, cast: money.statement_line(session, cast).id,
    "contest_id": lambda session, cast: money.raised_contest(session, cast).id,
    "preparation_id": lambda session, cast: money.preparation(session, cast).id,
    "posting_id": lambda session, cast: money.bank_posting(session, cast).id,
    "hold_id": lambda session, cast: money.hold(session, cast).id,
    "chargeback_id": lambda session, cast: money.chargeback(session, cast).id,
    "warning_id": lambda session, cast: money.fraud_warning(session, cast).id,
    "adjustment_id": lambda session, cast: money.adjustment(session, cast).id,
    "difference_id": lambda session, cast: money.difference(session, cast).id,
    "on": lambda session, cast: money.day_of_bank_posting(session, cast).isoformat(),
    "currency": lambda session, cast: "EUR",
    "month": _deferred_month,
    "sold_as": lambda session, cast: "plan",
    "intent_id": lambda session, cast: money.issued_invoice(session, cast).intent_id,
    "source_type": lambda session, cast: "bill_item",
    "source_id": lambda session, cast: str(money.billed_item(session, cast).id),
    # Last, because it takes an approval of the statement.
    "document_id": lambda session, cast: money.self_billed_document(session, cast).id,
}
