"""How a year's form stands in the file it is uploaded with: a row per recipient and form, a column per box; pure.

The columns are data. What the file wants in parts (a name, an address of the US) is divided here, or said to be
missing with how to mend it; nothing is guessed or cut off. A row holds numbers in the clear, so rows are made only when
the file is taken. *Source*: as the data file names; the longest name and address line are those of two public
descriptions of the template (40 characters). Not verified: the template itself, whether check boxes may stay empty, and
how foreign addresses upload, so none goes into a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

from portal.taxes.rules.identity import TaxIdentity
from portal.taxes.rules.taxpayer import W9, Taxpayer

LONGEST_LINE = 40
LINES = 2
LONGEST_PHONE = 30
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
# The states, the district, the territories and the armed forces. *Source*: USPS, Publication 28, appendix B.
STATES = frozenset(
    {
        "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY",
        "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH",
        "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "AS", "GU", "MP",
        "PR", "VI", "AA", "AE", "AP",
    }
)  # fmt: skip
_PLACE = re.compile(r"(?P<city>\S.*?)[,\s]\s*(?P<state>[A-Za-z]{2})[,\s]\s*(?P<zip>[0-9]{5}(?:-?[0-9]{4})?)", re.ASCII)
_COUNTRY_LINE = re.compile(r"(?:the )?united states(?: of america)?|u\.?s\.?(?:a\.?)?", re.IGNORECASE)

ADDRESS_SHAPE = "an address in the US as street, then a line such as Troy, NY 12180"
ADDRESS_LENGTH = f"an address of at most {LINES} lines of {LONGEST_LINE} characters before its place"
NAME_LENGTH = f"a name of at most {LINES} lines of {LONGEST_LINE} characters"
NAME_PARTS = "a person's first and last name on the certification"
PAYER_NUMBER = "your own tax number, certified by W-9"
PAYER_DETAILS = "your registered name and address"
PAYER_PHONE = "a phone number in the US with ten digits"


@dataclass(frozen=True)
class Layout:
    """The columns of one form's file: heading and what stands in it."""

    form: str
    columns: tuple[tuple[str, str], ...]

    @property
    def head(self) -> tuple[str, ...]:
        """The headings, in order."""
        return tuple(heading for heading, _ in self.columns)


@dataclass(frozen=True)
class Layouts:
    """The layout of each form, how many returns a file takes, and the last tax year they were compared for."""

    by_form: Mapping[str, Layout]
    returns_in_file: int
    last_year_compared: int


def layouts_from(document: Mapping[str, Any]) -> Layouts:
    """The layouts of a parsed data file."""
    found = {
        form: Layout(form, tuple((heading, holds) for heading, holds in [*document["each"], *own]))
        for form, own in document["form"].items()
    }
    return Layouts(found, document["returns_in_file"], document["last_year_compared"])


@dataclass(frozen=True)
class Name:
    """A business on up to two lines (B), or a person in parts (I)."""

    name_type: str
    business_1: str = ""
    business_2: str = ""
    first: str = ""
    middle: str = ""
    last: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class Place:
    """An address of the US in parts."""

    street_1: str
    street_2: str
    city: str
    state: str
    zip: str
    country: str = "US"


@dataclass(frozen=True)
class Party:
    """A payer or recipient as the file names it, but for its number."""

    number_type: str
    name: Name
    place: Place
    phone: str = ""

    def cells(self, who: str, number: str) -> dict[str, str]:
        """What stands in the columns of a payer or a recipient."""
        parts = {"number_type": self.number_type, "number": number, **asdict(self.name), **asdict(self.place)}
        if self.phone:
            parts |= {"phone_type": "D", "phone": self.phone}
        return {f"{who} {part}": value for part, value in parts.items()}


@dataclass(frozen=True)
class Read:
    """A party as it can be filed, or what is missing of it."""

    party: Party | None
    missing: tuple[str, ...] = ()


def read_payer(identity: TaxIdentity | None, taxpayer: Taxpayer | None, phone: str) -> Read:
    """The payer; its own number has to be certified as its recipients' are."""
    missing = [] if taxpayer is not None and taxpayer.form == W9 else [PAYER_NUMBER]
    missing += [] if identity is not None else [PAYER_DETAILS]
    digits = phone_digits(phone)
    missing += [] if digits else [PAYER_PHONE]
    if taxpayer is None or identity is None or missing:
        return Read(None, tuple(missing))
    return _read(taxpayer, identity, digits)


def read_recipient(identity: TaxIdentity | None, taxpayer: Taxpayer | None) -> Read:
    """A recipient; what the form itself lacks is said by its outcome."""
    if identity is None or taxpayer is None:
        return Read(None)
    return _read(taxpayer, identity, "")


def _read(taxpayer: Taxpayer, identity: TaxIdentity, phone: str) -> Read:
    name, wrong_name = name_of(taxpayer)
    place, wrong_place = place_of(identity)
    if name is None or place is None:
        return Read(None, tuple(wrong for wrong in (wrong_name, wrong_place) if wrong))
    return Read(Party(taxpayer.number_type, name, place, phone))


def name_of(taxpayer: Taxpayer) -> tuple[Name | None, str]:
    """The certified name in parts, or why it is not.

    An individual under a social security number is a person: the first word is the first name, the last the surname,
    what stands between them the middle name. Everybody else is a business.
    """
    words = taxpayer.certified_name.replace(",", " ").split()
    if taxpayer.classification != "individual" or taxpayer.number_type != "SSN":
        lines = wrap(taxpayer.certified_name, LONGEST_LINE, break_long_words=False, break_on_hyphens=False)
        if not 1 <= len(lines) <= LINES or any(len(line) > LONGEST_LINE for line in lines):
            return None, NAME_LENGTH
        return Name("B", *lines), ""
    suffix = words.pop() if len(words) > 2 and words[-1].strip(".").lower() in _SUFFIXES else ""
    if len(words) < 2:
        return None, NAME_PARTS
    parts = (words[0], " ".join(words[1:-1]), words[-1])
    if any(len(part) > LONGEST_LINE for part in parts):
        return None, NAME_LENGTH
    first, middle, last = parts
    return Name("I", first=first, middle=middle, last=last, suffix=suffix), ""


def place_of(identity: TaxIdentity) -> tuple[Place | None, str]:
    """The address in parts, or why it is not."""
    if identity.country != "US":
        return None, ADDRESS_SHAPE
    lines = _lines(identity.address)
    found = _PLACE.fullmatch(lines[-1]) if len(lines) > 1 else None
    if found is None or found["state"].upper() not in STATES:
        return None, ADDRESS_SHAPE
    street, city = lines[:-1], found["city"].rstrip(" ,")
    if len(street) > LINES or any(len(line) > LONGEST_LINE for line in (*street, city)):
        return None, ADDRESS_LENGTH
    return Place(street[0], "".join(street[1:]), city, found["state"].upper(), found["zip"].replace("-", "")), ""


def _lines(address: str) -> list[str]:
    """The lines that say where; one line with commas is taken apart before its last two parts."""
    lines = [line.strip(" ,\t") for line in address.splitlines() if line.strip(" ,\t")]
    if len(lines) > 1 and _COUNTRY_LINE.fullmatch(lines[-1]):
        lines = lines[:-1]
    if len(lines) == 1 and lines[0].count(",") > 1:
        *street, city, state = (part.strip() for part in lines[0].split(","))
        return [", ".join(street), f"{city}, {state}"]
    return lines


def phone_digits(phone: str) -> str:
    """The ten digits of a number in the US; empty where it is none."""
    tidy = re.sub(r"[\s().-]", "", phone)
    found = re.fullmatch(r"(?:\+?1)?([2-9][0-9]{9})", tidy, re.ASCII)
    return found[1] if found else ""


def phone_problem(phone: str) -> str:
    """What is wrong with the phone number of a company anywhere; it may be left out."""
    if phone and not re.fullmatch(rf"(?=.{{6,{LONGEST_PHONE}}}\Z)\+?[0-9(][0-9 ().-]+", phone, re.ASCII):
        return f"Digits, with blanks or dashes between them, at most {LONGEST_PHONE} characters."
    return ""


@dataclass(frozen=True)
class Return:
    """One recipient's form of a year as it goes into the file; ``boxes`` has decimal text by box number."""

    year: int
    account: str
    recipient: Party
    number: str
    boxes: Mapping[str, str]


def rows_of(layout: Layout, payer: Party, payer_number: str, returns: Sequence[Return]) -> list[tuple[str, ...]]:
    """The rows of a file, a return each, in the layout's columns."""
    own = payer.cells("payer", payer_number)
    return [_row(layout, own, one) for one in returns]


def _row(layout: Layout, payer: Mapping[str, str], one: Return) -> tuple[str, ...]:
    held = {
        "form": layout.form,
        "year": str(one.year),
        "account": one.account,
        "no": "N",
        **payer,
        **one.recipient.cells("recipient", one.number),
        **{f"box {number}": amount for number, amount in one.boxes.items()},
    }
    return tuple(held.get(holds, "") for _, holds in layout.columns)
