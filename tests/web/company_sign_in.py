"""Fixtures of sign-in through a provider: a provider that lies on demand, known to the integrator of the cast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.access import Actor
from portal.identity.sso import settings
from portal.identity.sso.models import IdentityProvider, MailDomain, ProviderIdentity
from tests.support.cast import SIGNED_AT, Cast
from tests.support.providers.lying import CLIENT_ID, CLIENT_SECRET, LyingProvider, lying_provider
from tests.support.providers.travelling import Return, way
from tests.support.sign_in import email_of
from tests.web.support.client import Browser, Clock

SECRET_KEY = "tests-" * 8


@pytest.fixture(scope="session")
def _provider() -> Iterator[LyingProvider]:
    with lying_provider() as state:
        yield state


@pytest.fixture
def provider(_provider: LyingProvider, clock: Clock) -> LyingProvider:
    """The provider, honest and empty."""
    _provider.reset(clock)
    return _provider


@pytest.fixture
def idp(provider: LyingProvider, cast: Cast, work_session: Session) -> IdentityProvider:
    """The integrator's sign-in through it, with the integrator's mail domain confirmed."""
    return set_up(work_session, cast.ian, provider.issuer)


@pytest.fixture
def tom_at_work(provider: LyingProvider, idp: IdentityProvider, cast: Cast, work_session: Session) -> ProviderIdentity:
    """Tom's account at the provider, connected to Tom."""
    provider.person = {"email": email_of(work_session, cast.tom), "email_verified": True, "name": "Tom"}
    return connect(work_session, idp, cast.tom, "tom-at-work")


@pytest.fixture
def go(nobody: Browser, cast: Cast, work_session: Session) -> Callable[..., Return]:
    """Leave for the provider from the sign-in page and come to where it sends the browser back to."""

    def travel(browser: Browser = nobody, actor: Actor = cast.tom) -> Return:
        answer = browser.post("/sign-in/company", {"email": email_of(work_session, actor)})
        return way(answer).visit()

    return travel


def set_up(session: Session, administrator: Actor, issuer: str, **wanted: object) -> IdentityProvider:
    """An organisation's sign-in through a provider; commits."""
    values = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "roles_claim": "", "is_enabled": True, **wanted}
    idp = settings.keep_provider(
        session,
        administrator,
        settings.Wanted(issuer=issuer, **values),  # type: ignore[arg-type]
        secret=SECRET_KEY,
        allows_http=True,
        now=SIGNED_AT,
    )
    own_domain(session, administrator, email_of(session, administrator).split("@")[1])
    session.commit()
    return idp


def own_domain(session: Session, administrator: Actor, domain: str) -> None:
    """Have the organisation's claim of a mail domain confirmed."""
    session.add(
        MailDomain(
            organisation_id=administrator.organisation_id,
            domain=domain,
            claimed_by=administrator.person_id,
            claimed_at=SIGNED_AT,
            confirmed_at=SIGNED_AT,
        )
    )
    session.flush()


def connect(session: Session, idp: IdentityProvider, actor: Actor, subject: str) -> ProviderIdentity:
    """Tie an account at the provider to somebody; commits."""
    row = ProviderIdentity(
        organisation_id=idp.organisation_id,
        issuer=idp.issuer,
        subject=subject,
        person_id=actor.person_id,
        confirmed_by="own sign-in",
        linked_at=SIGNED_AT,
    )
    session.add(row)
    session.commit()
    return row


def is_signed_in(browser: Browser) -> bool:
    """Whether the browser gets past the gate."""
    return browser.get("/security").status_code == 200


def assert_refused(browser: Browser, answer: TestResponse, status: int, sentence: str) -> None:
    """The answer says so in words, and nobody is signed in."""
    assert answer.status_code == status, answer.text
    assert sentence in answer.text, answer.text
    assert not is_signed_in(browser)


def callback(provider_id: UUID) -> str:
    """The address the provider sends people back to."""
    return f"/sign-in/company/{provider_id}/callback"
