"""Letters about a person's own sign-in: what happened, when, and what to do if it was not them.

Each act of ``identity`` that records news has its words here; an act without words would mail nothing, which a test
refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from portal.audit.models import AuditEntry
from portal.identity.factors.models import AddressChange
from portal.identity.models import MailedLink, Person
from portal.identity.scim.models import ScimToken
from portal.notifications.letters import Writing, letter, link_is_open
from portal.notifications.rendering import Fact, Letter

SEEN = (("Browser", "browser"), ("Address", "address"))
NOT_YOU = "If it was not you, sign every browser out and change the password, then tell an administrator."


@dataclass(frozen=True)
class News:
    """The words of one act: subject and sentence, and which of its details are shown under which label."""

    subject: str
    sentence: str
    shown: tuple[tuple[str, str], ...] = ()
    aside: str = NOT_YOU


NEWS: dict[str, News] = {
    "sign_in_with_new_browser": News(
        "Signed in with a new browser",
        "Your account was signed in to with a browser that was not used before.",
        SEEN,
    ),
    "fail_second_factor": News(
        "Somebody could not show that it is you",
        "The password was right or a browser was open, and then five answers in a row were wrong.",
        (("Where", "at"),),
    ),
    "change_password": News("Your password was changed", "Other browsers were signed out."),
    "change_phone": News(
        "Your telephone number was changed",
        "A yes given on the telephone is kept with this number.",
        (("Before", "old"), ("Now", "new")),
    ),
    "reset_password": News("Your password was set anew by mail", "Every browser was signed out."),
    "add_code_generator": News("An authenticator app was set up", "Its codes are asked after the password."),
    "replace_code_generator": News("Your authenticator app was replaced", "Codes of the earlier app work no more."),
    "remove_code_generator": News("Your authenticator app was removed", "Its codes are asked no more."),
    "add_passkey": News("A passkey was added", "It signs you in without a password.", (("Name", "name"),)),
    "remove_passkey": News("A passkey was removed", "It signs nobody in any more.", (("Name", "name"),)),
    "refuse_copied_passkey": News(
        "A passkey was refused: there may be a copy of it",
        "Its counter went back, as that of a copied passkey does. Remove it and add a new one.",
        (("Name", "name"),),
    ),
    "make_recovery_codes": News("New recovery codes were made", "The earlier ones work no more."),
    "use_recovery_code": News("A recovery code was used", "It works no more.", (("Codes left", "left"),)),
    "reset_factors": News(
        "Your second factors were taken off",
        "Every browser was signed out. Set up new ones at your next sign-in.",
        (("By", "by"),),
    ),
    "sign_out_member": News(
        "You were signed out everywhere",
        "An administrator of your organisation did it. Sign in again where you want to go on.",
        (("By", "by"),),
        "If you do not know why, ask them.",
    ),
    "change_address": News(
        "You sign in with this address now", "The old address was told as well.", (("Before", "old"), ("Now", "new"))
    ),
    "undo_address": News(
        "You sign in with this address again",
        "The change of address was undone, and every browser signed out. Choose a new password.",
        (("Before", "old"), ("Now", "new")),
    ),
    "ask_to_look_on": News(
        "May an administrator look on as you?",
        "They would see what you see and change nothing. Answer on your security page.",
        (("Who", "by"), ("Why", "reason")),
        "Without your yes nothing happens.",
    ),
    "let_look_on": News(
        "You let an administrator look on", "For an hour; end it on your security page.", (("Who", "by"),)
    ),
    "refuse_to_be_looked_on": News("You let nobody look on", "Your no is kept.", (("Who", "by"),)),
    "begin_to_look_on": News(
        "An administrator looks on as you now",
        "With your yes, and only reading. You may end it on your security page.",
        (("Who", "by"), ("Why", "reason")),
    ),
    "end_looking_on": News(
        "Nobody looks on as you any more", "It was ended before its time.", (), "Nothing is left to do."
    ),
}


@letter("security_news")
def security_news(writing: Writing) -> Letter | None:
    """Something about how the person signs in has changed."""
    entry = writing.session.get_one(AuditEntry, int(writing.delivery.object_id))
    news = NEWS[entry.act]
    shown = [Fact(label, str(entry.details[key])) for label, key in news.shown if key in entry.details]
    return Letter(
        subject=news.subject,
        greeting=writing.greeting,
        sentences=(news.sentence,),
        facts=(Fact("When", writing.when(entry.at)), *shown),
        button=("Look at your security page", writing.page("security")),
        aside=news.aside,
    )


@letter("break_glass")
def break_glass(writing: Writing) -> Letter | None:
    """Another administrator used the password that is kept for the day the provider fails."""
    entry = writing.session.get_one(AuditEntry, int(writing.delivery.object_id))
    who = writing.session.get_one(Person, entry.person_id)
    return Letter(
        subject=f"{who.display_name} came in without your company's sign-in",
        greeting=writing.greeting,
        sentences=(
            "Everybody of your organisation comes in through your own provider, but for one administrator, "
            "for the day it fails. That way in was used.",
        ),
        facts=(
            Fact("Who", f"{who.display_name} ({who.email})"),
            Fact("When", writing.when(entry.at)),
            *(Fact(label, entry.details[key]) for label, key in SEEN if entry.details.get(key)),
        ),
        button=("Look at the audit log", writing.page("audit-log")),
        aside="If nobody knows why, sign them out under People and have them change the password.",
    )


@letter("scim_token_ends")
def scim_token_ends(writing: Writing) -> Letter | None:
    """A directory's token is about to end, and with it what the directory changes here."""
    token = writing.session.get_one(ScimToken, int(writing.delivery.object_id))
    if token.revoked_at is not None or token.expires_at <= writing.now:
        return None
    return Letter(
        subject=f"The directory token “{token.name}” ends soon",
        greeting=writing.greeting,
        sentences=("After that your directory brings nobody in and takes nobody out.",),
        facts=(
            Fact("Ends", writing.when(token.expires_at)),
            Fact("Last used", writing.when(token.used_at) if token.used_at else "Never"),
        ),
        button=("Make a new token", writing.page("company-sign-in/directory")),
        aside="Give the new token to your directory, then end the old one.",
    )


@letter("address_confirmation")
def address_confirmation(writing: Writing) -> Letter | None:
    """A link that makes the new address count."""
    found = _open_link(writing)
    if found is None:
        return None
    link, change = found
    return Letter(
        subject="Sign in with this address",
        greeting=writing.greeting,
        sentences=("You asked to sign in to Factoryline with this address. It counts once you use the link.",),
        facts=(Fact("Instead of", change.old_email), Fact("Works until", writing.when(link.expires_at))),
        button=("Use this address", writing.link(link.id)),
        aside="If you do not expect this, do nothing.",
    )


@letter("address_undo")
def address_undo(writing: Writing) -> Letter | None:
    """The old address is told, with a link that undoes the change."""
    found = _open_link(writing)
    if found is None:
        return None
    link, change = found
    return Letter(
        subject="Your address for signing in was changed",
        greeting=writing.greeting,
        sentences=("You sign in to Factoryline with another address now.",),
        facts=(
            Fact("Before", change.old_email),
            Fact("Now", change.new_email),
            Fact("Can be undone until", writing.when(link.expires_at)),
        ),
        button=("It was not me: undo it", writing.link(link.id)),
        aside="If it was you, do nothing.",
    )


def _open_link(writing: Writing) -> tuple[MailedLink, AddressChange] | None:
    link = writing.session.get_one(MailedLink, UUID(writing.delivery.object_id))
    if not link_is_open(writing.session, link, writing.now):
        return None
    return link, writing.session.get_one(AddressChange, int(link.object_id))
