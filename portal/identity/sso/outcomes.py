"""What follows from an account that came back from the provider; facts in, an outcome with its sentence out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portal.identity.sso.rules import Account


class Outcome(StrEnum):
    """What follows from an account that came back from the provider."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    NOT_LINKED = "not_linked"
    LEFT = "left"
    OTHER_PERSON = "other_person"
    OTHER_ACCOUNT = "other_account"
    UNVERIFIED = "unverified"
    OTHER_ADDRESS = "other_address"
    NO_ROLE = "no_role"


REFUSALS = {
    Outcome.NOT_LINKED: "This company account is not connected to anybody here yet.",
    Outcome.LEFT: "You do not belong to this organisation here any more. Ask its administrator.",
    Outcome.OTHER_PERSON: "This company account is connected to somebody else here. Ask your administrator.",
    Outcome.OTHER_ACCOUNT: "You are connected to another company account. Have your administrator disconnect it first.",
    Outcome.UNVERIFIED: "Your company's provider does not call your mail address verified. Ask your IT department.",
    Outcome.OTHER_ADDRESS: "This company account has another mail address than the one that was invited.",
    Outcome.NO_ROLE: "Your company's provider gives you no role here. Ask your IT department.",
}


@dataclass(frozen=True)
class Standing:
    """What is known here of an account and of the person who asks."""

    linked_person_id: int | None = None
    is_member: bool = False
    other_subject_of_asker: bool = False
    asker_id: int | None = None
    invited_email: str = ""


def decide(purpose: str, account: Account, standing: Standing) -> Outcome:
    """What follows; an address alone never makes an account somebody's."""
    if purpose in ("sign_in", "step_up"):
        if standing.linked_person_id is None:
            return Outcome.NOT_LINKED
        if purpose == "step_up" and standing.linked_person_id != standing.asker_id:
            return Outcome.OTHER_PERSON
        return Outcome.SIGN_IN if standing.is_member else Outcome.LEFT
    if not account.email or not account.email_verified:
        return Outcome.UNVERIFIED
    if purpose == "invitation":
        if standing.linked_person_id is not None:
            return Outcome.OTHER_PERSON
        fits = account.email.casefold() == standing.invited_email.casefold()
        return Outcome.CONFIRM if fits else Outcome.OTHER_ADDRESS
    if not standing.is_member:
        return Outcome.LEFT
    if standing.linked_person_id is not None:
        return Outcome.SIGN_IN if standing.linked_person_id == standing.asker_id else Outcome.OTHER_PERSON
    return Outcome.OTHER_ACCOUNT if standing.other_subject_of_asker else Outcome.CONFIRM
