"""Coming back from the provider: the code becomes tokens, the ID token is doubted, and a session may follow.

Nothing is concluded from an address: the account's subject is what a person here was tied to, by that person's own yes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.db import Scope, set_scope
from portal.directory.models import Organisation
from portal.errors import NotAllowed
from portal.identity import rules as identity_rules
from portal.identity import sealing, sessions
from portal.identity.factors.rules import Proof, Proven
from portal.identity.models import Invitation, Membership, Person, WebSession
from portal.identity.sessions import Browser
from portal.identity.sso import flows, metadata, outcomes, provider, rules, settings, strength, tokens
from portal.identity.sso.models import IdentityProvider, ProviderFlow, ProviderIdentity, ProviderSession

SEALED_FOR = "ID token of a session"
# Whoever is known by the account's subject is signed in whatever the address; these begin something by it.
NEEDS_ADDRESS = frozenset({"link", "invitation", "test"})


@dataclass(frozen=True)
class Answer:
    """What the provider's answer carried in the address."""

    code: str
    issuer: str
    error: str


@dataclass(frozen=True)
class Arrival:
    """A believed ID token; ``kept`` is the token sealed, to name the session to the provider at sign-out."""

    account: rules.Account
    claims: dict[str, Any]
    checks: tuple[rules.Check, ...]
    kept: bytes


def arrive(
    session: Session, site: flows.Site, idp: IdentityProvider, flow: ProviderFlow, *, answer: Answer, now: datetime
) -> Arrival:
    """The account that came back, after every doubt; calls the provider between transactions.

    *Raises*: NotAllowed, Unreachable, ProviderTrouble.
    """
    known = metadata.known(session, site.outbound, idp, now)
    flows.check_answer(known.discovery, flow, issuer=answer.issuer, error=answer.error)
    session.commit()
    given = flows.redeem(site, idp, known.discovery, flow, code=answer.code)
    signed = signed_token(session, site, idp, given.id_token, now=now)
    expected = rules.Expected(
        issuer=idp.issuer,
        client_id=idp.client_id,
        now=now,
        nonce=rules.derived(site.secret, "nonce", flow.id),
        access_token=given.access_token,
    )
    checks = rules.check_id_token(signed.header, signed.claims, expected)
    if flow.purpose == flows.STEP_UP:
        checks = (*checks, strength.check_recent(signed.claims, asked_at=flow.created_at, now=now))
    if flow.purpose != "test":
        _refuse_unmet(checks)
    account = rules.account_of(signed.claims)
    if flow.purpose in NEEDS_ADDRESS and not (account.email and account.email_verified):
        session.commit()
        account, told = _address_beside(site, known.discovery, given, account)
        if flow.purpose != "test":
            _refuse_unmet(told)
        checks = (*checks, *told)
    kept = sealing.seal(given.id_token, secret=site.secret, purpose=SEALED_FOR, row=str(idp.id))
    return Arrival(account, signed.claims, checks, kept)


def signed_token(
    session: Session, site: flows.Site, idp: IdentityProvider, token: str, *, now: datetime
) -> tokens.SignedToken:
    """The token's content; an unknown key is looked for at the provider once more.

    *Raises*: TokenRefused, Unreachable.
    """
    known = metadata.known(session, site.outbound, idp, now)
    try:
        return tokens.verified(token, known.keys)
    except tokens.KeyUnknown:
        again = metadata.after_unknown_key(session, site.outbound, idp, now)
        return tokens.verified(token, again.keys)


def outcome_of(session: Session, idp: IdentityProvider, flow: ProviderFlow, arrival: Arrival) -> outcomes.Outcome:
    """What follows from the arrival."""
    standing = _standing(session, idp, flow, arrival.account.subject)
    outcome = outcomes.decide(flow.purpose, arrival.account, standing)
    if outcome is outcomes.Outcome.SIGN_IN and idp.roles_claim and not _roles(session, idp, arrival.claims):
        return outcomes.Outcome.NO_ROLE
    return outcome


def proof_of(idp: IdentityProvider, arrival: Arrival) -> Proof:
    """What the arrival proves: with a second factor or, where one has to show and does not, without."""
    return strength.proof_of(arrival.claims, must_show_factor=idp.must_show_factor, acr_values=idp.acr_values)


def keep_answer(idp: IdentityProvider, flow: ProviderFlow, arrival: Arrival, now: datetime) -> None:
    """Keep what came back until the person has confirmed it."""
    proof = proof_of(idp, arrival)
    flow.answered = {**asdict(arrival.account), "kept": base64.b64encode(arrival.kept).decode(), "proof": proof.value}
    flow.answered_at = now


def keep_report(session: Session, idp: IdentityProvider, flow: ProviderFlow, arrival: Arrival, now: datetime) -> None:
    """Keep what the administrator's test found; where all is well the settings count as tried."""
    account = arrival.account
    known_roles = sorted(_roles(session, idp, arrival.claims))
    checks = [
        *arrival.checks,
        rules.Check("Mail address", bool(account.email), account.email or "The token names no mail address."),
        rules.Check(
            "Verified address",
            account.email_verified,
            "The provider calls it verified." if account.email_verified else "The provider does not call it verified.",
        ),
    ]
    if idp.must_show_factor:
        checks.append(strength.check_factor(arrival.claims, idp.acr_values))
    if idp.roles_claim:
        values = rules.values_at(arrival.claims, idp.roles_claim)
        found = f"{', '.join(values)[:200] or 'nothing'} becomes {', '.join(known_roles) or 'no role here'}."
        checks.append(rules.Check("Roles", bool(known_roles), found))
    flow.answered = {"checks": [asdict(check) for check in checks]}
    flow.answered_at = flow.finished_at = now
    if rules.first_failure(checks) is None:
        settings.note_tried(session, idp, now)


def sign_in(session: Session, idp: IdentityProvider, arrival: Arrival, *, browser: Browser, now: datetime) -> str:
    """The token of a new session for whom the account belongs to."""
    identity = identity_of(session, idp, arrival.account.subject)
    if identity is None:
        raise NotAllowed(outcomes.REFUSALS[outcomes.Outcome.NOT_LINKED])
    set_scope(session, Scope(idp.organisation_id, identity.person_id))
    membership = current_membership(session, idp.organisation_id, identity.person_id)
    if membership is None:
        raise NotAllowed(outcomes.REFUSALS[outcomes.Outcome.LEFT])
    if idp.roles_claim:
        _take_roles(session, idp, membership, _roles(session, idp, arrival.claims), now)
    return open_for(
        session,
        idp,
        identity,
        membership,
        sid=arrival.account.sid,
        kept=arrival.kept,
        proof=proof_of(idp, arrival),
        browser=browser,
        now=now,
    )


def open_for(
    session: Session,
    idp: IdentityProvider,
    identity: ProviderIdentity,
    membership: Membership,
    *,
    sid: str | None,
    kept: bytes,
    proof: Proof,
    browser: Browser,
    now: datetime,
) -> str:
    """Open a session on the provider's word; it acts for this organisation only."""
    token = sessions.open_session(session, membership, browser, now, proven=Proven(proof, now))
    opened = session.scalars(
        select(WebSession.id).where(WebSession.token_sha256 == identity_rules.token_sha256(token))
    ).one()
    session.add(
        ProviderSession(
            web_session_id=opened,
            organisation_id=idp.organisation_id,
            identity_id=identity.id,
            sid=sid,
            id_token_sealed=kept,
        )
    )
    settings.note_tried(session, idp, now)
    session.flush()
    return token


def identity_of(session: Session, idp: IdentityProvider, subject: str) -> ProviderIdentity | None:
    """The tie of an account at the provider to a person here."""
    return session.scalar(
        select(ProviderIdentity).where(
            ProviderIdentity.organisation_id == idp.organisation_id,
            ProviderIdentity.issuer == idp.issuer,
            ProviderIdentity.subject == subject,
            ProviderIdentity.ended_at.is_(None),
        )
    )


def current_membership(session: Session, organisation_id: int, person_id: int) -> Membership | None:
    """The person's present membership, unless the person is disabled."""
    return session.scalar(
        select(Membership)
        .join(Person, Person.id == Membership.person_id)
        .where(
            Membership.organisation_id == organisation_id,
            Membership.person_id == person_id,
            Membership.ended_at.is_(None),
            Person.disabled_at.is_(None),
        )
    )


def kept_id_token(kept: ProviderSession, idp: IdentityProvider, secret: str) -> str:
    """The ID token a session was opened with."""
    return sealing.unseal(kept.id_token_sealed, secret=secret, purpose=SEALED_FOR, row=str(idp.id))


def _refuse_unmet(checks: tuple[rules.Check, ...]) -> None:
    failed = rules.first_failure(checks)
    if failed is not None:
        raise tokens.TokenRefused(f"Your company's provider sent a token that is not accepted. {failed.sentence}")


def _address_beside(
    site: flows.Site, described: rules.Discovery, given: provider.Tokens, account: rules.Account
) -> tuple[rules.Account, tuple[rules.Check, ...]]:
    """The account with what the provider's userinfo address tells, where it names one.

    *Raises*: Unreachable.
    """
    if not described.userinfo_endpoint or not given.access_token:
        return account, ()
    told = provider.fetch_userinfo(site.outbound, described.userinfo_endpoint, given.access_token)
    is_same = told.get("sub") == account.subject
    found = "It speaks of the same account." if is_same else "It speaks of another account, and is not believed."
    return rules.with_userinfo(account, told), (rules.Check("Userinfo", is_same, found),)


def _standing(session: Session, idp: IdentityProvider, flow: ProviderFlow, subject: str) -> outcomes.Standing:
    identity = identity_of(session, idp, subject)
    asker = flow.person_id
    whose = asker if asker is not None else identity.person_id if identity else None
    membership = current_membership(session, idp.organisation_id, whose) if whose is not None else None
    invited = session.scalar(select(Invitation.email).where(Invitation.link_id == flow.link_id)) if flow.link_id else ""
    other = (
        session.scalar(
            select(ProviderIdentity.id).where(
                ProviderIdentity.organisation_id == idp.organisation_id,
                ProviderIdentity.issuer == idp.issuer,
                ProviderIdentity.person_id == asker,
                ProviderIdentity.subject != subject,
                ProviderIdentity.ended_at.is_(None),
            )
        )
        if asker is not None
        else None
    )
    return outcomes.Standing(
        linked_person_id=identity.person_id if identity else None,
        is_member=membership is not None,
        other_subject_of_asker=other is not None,
        asker_id=asker,
        invited_email=invited or "",
    )


def _roles(session: Session, idp: IdentityProvider, claims: Mapping[str, Any]) -> frozenset[Role]:
    side = Side(session.get_one(Organisation, idp.organisation_id).side)
    mapping = settings.role_mapping(session, idp.organisation_id)
    return rules.mapped_roles(rules.values_at(claims, idp.roles_claim), mapping, side)


def _take_roles(
    session: Session, idp: IdentityProvider, membership: Membership, roles: frozenset[Role], now: datetime
) -> None:
    wanted = give_roles(session, membership, roles, keeps=idp.break_glass_person_id)
    if wanted is None:
        return
    organisation = session.get_one(Organisation, idp.organisation_id)
    actor = Actor(
        membership.person_id, organisation.id, Side(organisation.side), frozenset(map(Role, membership.roles))
    )
    details = {"before": sorted(wanted), "after": sorted(membership.roles), "by": "provider"}
    audit.record(session, actor, "change_roles", "membership", membership.id, details=details, now=now)


def give_roles(
    session: Session, membership: Membership, roles: frozenset[Role], *, keeps: int | None
) -> list[str] | None:
    """Set the roles another system decides; the roles before, or None where nothing changed.

    An organisation's last administrator stays one, and so does whoever is kept for the day the provider fails.
    """
    before = sorted(membership.roles)
    wanted = sorted(roles)
    if Role.ADMINISTRATOR in membership.roles and Role.ADMINISTRATOR not in roles:
        is_kept = membership.person_id == keeps or not _has_other_administrator(session, membership)
        wanted = sorted({*roles, Role.ADMINISTRATOR}) if is_kept else wanted
    if before == wanted:
        return None
    membership.roles = list(wanted)
    session.flush()
    return before


def _has_other_administrator(session: Session, membership: Membership) -> bool:
    # Locked, so that two of them cannot lose the role at the same moment.
    found = session.scalars(
        select(Membership)
        .where(Membership.organisation_id == membership.organisation_id, Membership.ended_at.is_(None))
        .order_by(Membership.id)
        .with_for_update()
    ).all()
    return any(row.id != membership.id and Role.ADMINISTRATOR in row.roles for row in found)
