"""Who is in the demonstration: organisations, people, places and systems, as plain values.

Two manufacturers (Nordlicht runs the deployment), three integrators, and customers with every plan. One person per role
is marked: those are the sign-ins that are printed.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.access import Role, Side

PASSWORD = "nine lanterns over the quay"


@dataclass(frozen=True)
class Company:
    """An organisation of the demonstration."""

    code: str
    side: Side
    name: str
    zone: str
    country: str
    currency: str


@dataclass(frozen=True)
class Somebody:
    """A person: the key they are called by in the story, their company and roles."""

    key: str
    company: str
    name: str
    roles: tuple[Role, ...]
    shown: bool = False


@dataclass(frozen=True)
class Place:
    """A customer's site with the plan its buyer chose; None stays on the complimentary plan."""

    key: str
    company: str
    name: str
    address: str
    manufacturer: str
    integrator: str
    plan: str | None


@dataclass(frozen=True)
class Installed:
    """A system at a place; ``age_days`` is how long before the story it was handed over."""

    place: str
    line: str
    serial: str
    name: str
    age_days: int


COMPANIES = (
    Company("NOR", Side.MANUFACTURER, "Nordlicht Access", "Europe/Berlin", "DE", "EUR"),
    Company("MER", Side.MANUFACTURER, "Meridian Audio", "America/New_York", "US", "USD"),
    Company("KES", Side.INTEGRATOR, "Kessler Sicherheit", "Europe/Berlin", "DE", "EUR"),
    Company("ALP", Side.INTEGRATOR, "Alpen Haustechnik", "Europe/Vienna", "AT", "EUR"),
    Company("HUD", Side.INTEGRATOR, "Hudson Integration", "America/New_York", "US", "USD"),
    Company("KLI", Side.CUSTOMER, "Klinikum Ostufer", "Europe/Berlin", "DE", "EUR"),
    Company("MUS", Side.CUSTOMER, "Museum Insel", "Europe/Berlin", "DE", "EUR"),
    Company("SCH", Side.CUSTOMER, "Schule am Park", "Europe/Vienna", "AT", "EUR"),
    Company("RIV", Side.CUSTOMER, "Riverside Theatre", "America/New_York", "US", "USD"),
)

PEOPLE = (
    Somebody("ana", "NOR", "Ana Sommer", (Role.ENGINEER,), shown=True),
    Somebody("eli", "NOR", "Eli Brandt", (Role.ENGINEER,)),
    Somebody("leo", "NOR", "Leo Vogel", (Role.SUPPORT_LEAD,), shown=True),
    Somebody("fay", "NOR", "Fay Lindner", (Role.FINANCE,), shown=True),
    Somebody("finn", "NOR", "Finn Albers", (Role.FINANCE,), shown=True),
    Somebody("adam", "NOR", "Adam Krause", (Role.ADMINISTRATOR,), shown=True),
    Somebody("eve", "MER", "Eve Carter", (Role.ENGINEER,)),
    Somebody("max", "MER", "Max Reed", (Role.SUPPORT_LEAD,)),
    Somebody("gil", "MER", "Gil Foster", (Role.FINANCE,)),
    Somebody("hal", "MER", "Hal Brooks", (Role.FINANCE,)),
    Somebody("ada", "MER", "Ada Stone", (Role.ADMINISTRATOR,)),
    Somebody("tom", "KES", "Tom Kessler", (Role.TECHNICIAN,), shown=True),
    Somebody("tia", "KES", "Tia Wolff", (Role.TECHNICIAN,)),
    Somebody("mia", "KES", "Mia Hartmann", (Role.SERVICE_MANAGER,), shown=True),
    Somebody("ivo", "KES", "Ivo Brand", (Role.FINANCE,), shown=True),
    Somebody("ian", "KES", "Ian Kessler", (Role.ADMINISTRATOR,)),
    Somebody("sam", "ALP", "Sam Gruber", (Role.TECHNICIAN,)),
    Somebody("lea", "ALP", "Lea Huber", (Role.SERVICE_MANAGER, Role.FINANCE)),
    Somebody("udo", "ALP", "Udo Moser", (Role.ADMINISTRATOR,)),
    Somebody("joe", "HUD", "Joe Rivera", (Role.TECHNICIAN,)),
    Somebody("pam", "HUD", "Pam Ortiz", (Role.SERVICE_MANAGER, Role.FINANCE)),
    Somebody("kim", "HUD", "Kim Doyle", (Role.ADMINISTRATOR,)),
    Somebody("bea", "KLI", "Bea Petersen", (Role.BUYER,), shown=True),
    Somebody("cal", "KLI", "Cal Jansen", (Role.CONTACT,), shown=True),
    Somebody("flo", "KLI", "Flo Meyer", (Role.FINANCE,)),
    Somebody("una", "MUS", "Una Falk", (Role.BUYER, Role.CONTACT)),
    Somebody("bob", "SCH", "Bob Lang", (Role.BUYER, Role.CONTACT)),
    Somebody("rae", "RIV", "Rae Turner", (Role.BUYER, Role.CONTACT)),
)

PLACES = (
    Place("klinikum", "KLI", "Main building", "Uferweg 1, 24103 Kiel", "NOR", "KES", "assured"),
    Place("ambulanz", "KLI", "Outpatient centre", "Uferweg 9, 24103 Kiel", "NOR", "KES", None),
    Place("museum", "MUS", "Old harbour", "Hafen 3, 23552 Lübeck", "NOR", "KES", "assured"),
    Place("schule", "SCH", "Schule am Park", "Parkring 12, 5020 Salzburg", "NOR", "ALP", None),
    Place("theatre", "RIV", "Main stage", "88 River St, Troy NY", "MER", "HUD", "stage"),
)

LINES = {
    "NOR": (("DoorController", "Door controllers"), ("AccessServer", "Access servers")),
    "MER": (("ConferenceDSP", "Conference DSPs"),),
}

SYSTEMS = (
    Installed("klinikum", "DoorController", "NA-10440", "Doors, intensive care", 900),
    Installed("klinikum", "DoorController", "NA-10441", "Doors, emergency entrance", 880),
    Installed("klinikum", "AccessServer", "NS-2031", "Access server", 860),
    Installed("ambulanz", "DoorController", "NA-11207", "Doors, outpatients", 1400),
    Installed("museum", "DoorController", "NA-12880", "Doors, depot", 500),
    Installed("museum", "AccessServer", "NS-2477", "Access server", 500),
    Installed("schule", "DoorController", "NA-13301", "Doors, school", 1300),
    Installed("schule", "DoorController", "NA-13302", "Doors, new gym", -30),
    Installed("theatre", "ConferenceDSP", "MD-5501", "Stage DSP", 400),
)

# line, number, person: who is certified for what.
CERTIFIED = (
    ("tom", "DoorController"),
    ("tom", "AccessServer"),
    ("sam", "DoorController"),
    ("joe", "ConferenceDSP"),
)

AGREEMENTS = (
    ("NOR", "KES", "nordlicht_kessler_agreement.toml"),
    ("NOR", "ALP", "nordlicht_alpen_agreement.toml"),
    ("MER", "HUD", "meridian_hudson_agreement.toml"),
)
POLICIES = {"NOR": "nordlicht_policy.toml", "MER": "meridian_policy.toml"}
