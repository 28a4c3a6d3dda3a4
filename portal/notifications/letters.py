"""The letters by name: a function each, from the object a delivery is about to the words its recipient reads.

A letter is written when it is sent, so it never tells what is no longer so: None means there is nothing left to say.
Amounts stand in a letter only where the recipient pays them; shares stand in none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from portal.contracts.models import Document, DocumentVersion
from portal.directory.models import Organisation, ProductLine, ServiceRelationship, Site
from portal.identity import rules as identity
from portal.identity.models import Invitation, MailedLink, MailedLinkUse, MailedLinkVoid, Person
from portal.identity.own_zone import own_zone
from portal.notifications.models import Delivery
from portal.notifications.rendering import Fact, Letter


@dataclass(frozen=True)
class Writing:
    """What a letter is written with: the session, the delivery, the deployment's address and secret, and now."""

    session: Session
    delivery: Delivery
    base_url: str
    secret: str
    now: datetime

    def page(self, path: str) -> str:
        """The address of a page of the portal."""
        return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"

    def link(self, link_id: UUID) -> str:
        """The address of a mailed link."""
        return self.page(f"link/{identity.link_token(self.secret, link_id)}")

    def when(self, at: datetime) -> str:
        """An instant in the recipient's zone, which is named."""
        zone = self.zone
        return f"{format_datetime(at, 'd MMMM y, HH:mm', tzinfo=ZoneInfo(zone), locale='en')} ({zone})"

    @property
    def zone(self) -> str:
        """The recipient's time zone: the person's own, else the organisation's."""
        if self.delivery.person_id is None:
            return self.session.get_one(Organisation, self.delivery.organisation_id).zone
        return own_zone(self.session, self.delivery.person_id, self.delivery.organisation_id)

    @property
    def greeting(self) -> str:
        """The recipient's name, if there is one."""
        person = self.session.get(Person, self.delivery.person_id) if self.delivery.person_id else None
        return f"Hello {person.display_name}" if person is not None else "Hello"


Write = Callable[[Writing], Letter | None]
LETTERS: dict[str, Write] = {}


def letter(name: str) -> Callable[[Write], Write]:
    """Register the letter of a delivery's template name."""

    def keep(write: Write) -> Write:
        if name in LETTERS:
            raise ValueError(f"two letters are called {name}")
        LETTERS[name] = write
        return write

    return keep


def link_is_open(session: Session, link: MailedLink, now: datetime) -> bool:
    """Whether a mailed link could still be used."""
    gone = select(
        or_(
            exists().where(MailedLinkUse.link_id == link.id),
            exists().where(MailedLinkVoid.link_id == link.id),
        )
    )
    return now < link.expires_at and not session.scalar(gone)


@letter("password_reset")
def password_reset(writing: Writing) -> Letter | None:
    """A link that sets a new password."""
    link = writing.session.get_one(MailedLink, UUID(writing.delivery.object_id))
    if not link_is_open(writing.session, link, writing.now):
        return None
    return Letter(
        subject="Set a new password",
        greeting=writing.greeting,
        sentences=("Somebody, hopefully you, asked to set a new password for your account.",),
        facts=(Fact("Works until", writing.when(link.expires_at)),),
        button=("Set a new password", writing.link(link.id)),
        aside="If it was not you, do nothing: your password stays as it is.",
    )


@letter("invitation")
def invitation(writing: Writing) -> Letter | None:
    """A link that joins an organisation."""
    session = writing.session
    asked = session.get_one(Invitation, int(writing.delivery.object_id))
    link = session.get_one(MailedLink, asked.link_id)
    if not link_is_open(session, link, writing.now):
        return None
    organisation = session.get_one(Organisation, asked.organisation_id)
    inviter = session.get_one(Person, asked.invited_by)
    return Letter(
        subject=f"{organisation.name} invites you to Factoryline",
        greeting=f"Hello {asked.display_name}" if asked.display_name else "Hello",
        sentences=(
            f"{inviter.display_name} of {organisation.name} invites you to work on support cases in Factoryline.",
        ),
        facts=(Fact("Works until", writing.when(link.expires_at)),),
        button=("Accept the invitation", writing.link(link.id)),
        aside="If you do not expect this, do nothing.",
    )


@letter("version_proposed")
def version_proposed(writing: Writing) -> Letter | None:
    """The other company offers a document for signature."""
    session = writing.session
    version = session.get_one(DocumentVersion, int(writing.delivery.object_id))
    document = session.get_one(Document, version.document_id)
    proposer = session.get_one(Person, version.proposed_by)
    return Letter(
        subject=f"{document.title}: version {version.number} waits for your signature",
        greeting=writing.greeting,
        sentences=(f"{proposer.display_name} proposes a new version of {document.title}.",),
        facts=(
            Fact("Would hold from", writing.when(version.effective_from)),
            Fact("SHA-256", version.sha256),
        ),
        button=("Read what changes", writing.page(f"contracts/versions/{version.id}")),
    )


@letter("service_ends")
def service_ends(writing: Writing) -> Letter | None:
    """The old integrator is told that the customer named another."""
    relationship = writing.session.get_one(ServiceRelationship, int(writing.delivery.object_id))
    site, line = _place_of(writing.session, relationship)
    last_day = (relationship.to_on or relationship.from_on) - timedelta(days=1)
    return Letter(
        subject=f"{site.name}: your service of {line.name} ends",
        greeting=writing.greeting,
        sentences=(
            "By the customer's letter your service of this product line at the site ends.",
            "The cases you have there stay with you, with everything that belongs to them.",
            "Months of plans that are sold or paid stay yours; later ones go to who services the site then.",
        ),
        facts=(Fact("Site", site.name), Fact("Product line", line.name), Fact("Your last day", last_day.isoformat())),
        button=("See your sites", writing.page("systems")),
    )


@letter("service_begins")
def service_begins(writing: Writing) -> Letter | None:
    """The new integrator is told what it takes over."""
    relationship = writing.session.get_one(ServiceRelationship, int(writing.delivery.object_id))
    site, line = _place_of(writing.session, relationship)
    return Letter(
        subject=f"{site.name}: you service {line.name}",
        greeting=writing.greeting,
        sentences=(
            "By the customer's letter your company services this product line at the site.",
            "The technical history of its systems is in your portal.",
        ),
        facts=(
            Fact("Site", site.name),
            Fact("Product line", line.name),
            Fact("Your first day", relationship.from_on.isoformat()),
            Fact("Customer's letter", relationship.letter_reference),
        ),
        button=("See your sites", writing.page("systems")),
    )


def _place_of(session: Session, relationship: ServiceRelationship) -> tuple[Site, ProductLine]:
    return (
        session.scalars(select(Site).where(Site.id == relationship.site_id)).one(),
        session.scalars(select(ProductLine).where(ProductLine.id == relationship.product_line_id)).one(),
    )
