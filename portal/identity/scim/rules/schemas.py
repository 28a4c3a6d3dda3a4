"""The resources this portal keeps: their attributes once, from which descriptions are made and input is cleaned.

Attributes that are not listed are left out without an error, as RFC 7644, 3.3 allows: directories send many more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.identity.scim.rules.errors import ScimRefused

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"

LONGEST_TEXT = 1_000
MOST_VALUES = 1_000
PAGE = 200


@dataclass(frozen=True)
class Attribute:
    """One attribute of a resource or of a complex one."""

    name: str
    kind: str = "string"
    is_multi: bool = False
    is_required: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    uniqueness: str = "none"
    case_exact: bool = False
    says: str = ""
    parts: tuple[Attribute, ...] = ()
    references: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        """The attribute as RFC 7643, 7 describes it."""
        description: dict[str, Any] = {
            "name": self.name,
            "type": self.kind,
            "multiValued": self.is_multi,
            "description": self.says or f"{self.name} of the resource.",
            "required": self.is_required,
            "caseExact": self.case_exact,
            "mutability": self.mutability,
            "returned": self.returned,
            "uniqueness": self.uniqueness,
        }
        if self.parts:
            description["subAttributes"] = [part.described() for part in self.parts]
        if self.references:
            description["referenceTypes"] = list(self.references)
        return description


def _several(name: str, says: str) -> Attribute:
    parts = (
        Attribute("value", says=says),
        Attribute("display", says="A name to show."),
        Attribute("type", says="What it is for, such as work."),
        Attribute("primary", "boolean", says="Whether it is the preferred one."),
    )
    return Attribute(name, "complex", is_multi=True, parts=parts, says=f"{says} Several, one of them primary.")


EXTERNAL_ID = Attribute("externalId", case_exact=True, says="The directory's own name of the resource.")
USER_ATTRIBUTES = (
    EXTERNAL_ID,
    Attribute("userName", is_required=True, uniqueness="server", says="The name in the directory, mostly an address."),
    Attribute(
        "name",
        "complex",
        says="The person's name in its parts.",
        parts=tuple(
            Attribute(part, says=f"The name's {part}.")
            for part in ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")
        ),
    ),
    Attribute("displayName", says="How the person is called here."),
    Attribute("nickName", says="A casual name."),
    Attribute("title", says="A title such as Vice President."),
    Attribute("userType", says="How the directory sorts people."),
    Attribute("preferredLanguage", says="A language range."),
    Attribute("locale", says="A locale."),
    Attribute("timezone", says="A time zone by its name."),
    Attribute("active", "boolean", says="Whether the person belongs to the organisation; no ends every session."),
    _several("emails", "A mail address."),
    _several("phoneNumbers", "A telephone number."),
    _several("roles", "A role, by a value that the organisation has mapped."),
    Attribute(
        "groups",
        "complex",
        is_multi=True,
        mutability="readOnly",
        says="The groups the person is in.",
        parts=(
            Attribute("value", mutability="readOnly", says="The group's id."),
            Attribute("$ref", "reference", mutability="readOnly", references=("Group",), says="The group's address."),
            Attribute("display", mutability="readOnly", says="The group's name."),
            Attribute("type", mutability="readOnly", says="Always direct."),
        ),
    ),
)
GROUP_ATTRIBUTES = (
    EXTERNAL_ID,
    Attribute("displayName", is_required=True, uniqueness="server", says="The group's name; mapped to a role by it."),
    Attribute(
        "members",
        "complex",
        is_multi=True,
        says="The users in the group.",
        parts=(
            Attribute("value", mutability="immutable", says="The user's id."),
            Attribute("$ref", "reference", mutability="immutable", references=("User",), says="The user's address."),
        ),
    ),
)
ATTRIBUTES = {USER: USER_ATTRIBUTES, GROUP: GROUP_ATTRIBUTES}
COMMON = frozenset({"schemas", "id", "meta"})


def attribute(schema: str, name: str) -> Attribute | None:
    """An attribute by its name, whatever its case."""
    return _named(ATTRIBUTES[schema], name)


def cleaned(given: Mapping[str, Any], schema: str) -> dict[str, Any]:
    """What of a resource is kept: known attributes a client may write, under their own names, of their own types.

    *Raises*: ScimRefused.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        known = attribute(schema, name.rpartition(":")[2] if name.lower().startswith(schema.lower()) else name)
        if known is None or known.mutability == "readOnly" or value is None:
            continue
        taken = value_of(known, value)
        if taken not in ([], {}, None):
            found[known.name] = taken
    for known in ATTRIBUTES[schema]:
        if known.is_required and not found.get(known.name):
            raise ScimRefused(f"{known.name} is required.")
    return found


def value_of(known: Attribute, value: Any) -> Any:
    """A value as its attribute holds it.

    *Raises*: ScimRefused.
    """
    if not known.is_multi:
        return _single(known, value)
    items = value if isinstance(value, list) else [value]
    if len(items) > MOST_VALUES:
        raise ScimRefused(f"{known.name} has more than {MOST_VALUES} values.", "tooMany")
    taken = [_single(known, item if isinstance(item, Mapping) else {"value": item}) for item in items]
    return _one_primary([item for item in taken if item not in ({}, None)])


def _one_primary(items: list[Any]) -> list[Any]:
    # Of several that call themselves primary, the one said last is.
    last = next((item for item in reversed(items) if item.get("primary") is True), None)
    return [{**item, "primary": False} if item.get("primary") is True and item is not last else item for item in items]


def _single(known: Attribute, value: Any) -> Any:
    if known.kind == "complex":
        if not isinstance(value, Mapping):
            raise ScimRefused(f"{known.name} has to be an object.")
        parts = {}
        for name, part in value.items():
            own = _named(known.parts, name)
            if own is not None and own.mutability != "readOnly" and part is not None:
                parts[own.name] = _single(own, part)
        return parts
    if known.kind == "boolean":
        # Some directories write the word.
        words = {"true": True, "false": False}
        taken = words.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(taken, bool):
            raise ScimRefused(f"{known.name} has to be true or false.")
        return taken
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ScimRefused(f"{known.name} has to be a text.")
    text = str(value).replace("\x00", "").strip()
    if len(text) > LONGEST_TEXT:
        raise ScimRefused(f"{known.name} is longer than {LONGEST_TEXT} characters.")
    return text


def _named(attributes: tuple[Attribute, ...], name: str) -> Attribute | None:
    return next((known for known in attributes if known.name.lower() == name.lower()), None)
