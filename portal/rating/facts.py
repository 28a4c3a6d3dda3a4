"""What rating is told: the work, the case's facts and the hours left, as values.

Nothing here is looked up later. Work stands in whole seconds of UTC; the order of entries and of grants carries no
meaning. A grant's ``remaining_seconds`` is what is reserved for this case, so two open cases are never promised one
hour twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

CUSTOMER = "customer"
INTEGRATOR = "integrator"
MANUFACTURER = "manufacturer"

SUPPORT = "support"
HOW_TO = "how_to"
COMMISSIONING = "commissioning"
TASK_CLASSES = (SUPPORT, HOW_TO, COMMISSIONING)
MODES = ("remote", "phone", "on_site", "travel")

INCLUDED_GRANT = "included"
BOUGHT_GRANT = "bought"
# Minutes given for a case or a sale: as bought ones they serve any work, as included ones they are nobody's money.
GIVEN_GRANT = "given"


@dataclass(frozen=True, slots=True)
class WorkInterval:
    """One piece of approved work; pieces of one entry that touch and agree in everything are the same work.

    ``authorized`` is whether the payer had said yes to it, whatever the sum; ``side`` is the company of the worker;
    ``role`` is the worker's, ``skill`` what the work takes. Entries of one ``visit`` belong together; 0 is not stated.
    ``zone`` is the worker's clock on the wall at the time, for policies that ask for it; empty where nobody knows.
    """

    entry_id: int
    worker_id: int
    started_at: datetime
    ended_at: datetime
    mode: str
    task_class: str = SUPPORT
    authorized: bool = True
    side: str = MANUFACTURER
    role: str = ""
    skill: str = ""
    visit: int = 0
    zone: str = ""


class Cover(NamedTuple):
    """From ``from_at`` on, the site has ``plan``, until the next cover begins."""

    from_at: datetime
    plan: str


class Custody(NamedTuple):
    """From ``from_at`` on, the case is with ``side``, until the next custody begins."""

    from_at: datetime
    side: str


class HoursLimit(NamedTuple):
    """From ``from_at`` on, the case may have used so many ``seconds`` of hours left in all; the first holds always."""

    from_at: datetime
    seconds: int


class FittedPart(NamedTuple):
    """A part fitted on the case, at its list price in ``minor`` units; ``supplier`` is the company whose it was.

    ``on_customer`` is what whoever recorded it says, where the policy does not; ``disposition`` what became of the old
    part; ``authorized`` whether the payer had said yes by then.
    """

    label: str
    minor: int
    fitted_at: datetime
    supplier: str = MANUFACTURER
    disposition: str = ""
    on_customer: bool = True
    authorized: bool = True


class RateKey(NamedTuple):
    """What a price depends on within one plan."""

    mode: str
    task_class: str
    band: str


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What is known of the case when it is rated.

    ``cover`` has at least one row; the first holds from the beginning of time. Work before ``day_one_at`` is
    commissioning support. ``certified`` is whether the technician who asked holds a valid certificate. ``cause`` is
    known only at closure. ``nte_minor`` is the sum authorized per paying side; a side that is not named has no limit.
    ``accepted_rates`` are the hourly prices, in minor units, that the payer accepted: none is exceeded. ``requested``
    is what the customer asked for, ``cycles`` the moments at which the case was opened again, ``distances`` how far it
    is to the site, by visit, 0 for all others. ``hours_limit`` is what the case may use of hours left: at first what
    its plan lets it use without asking, then what its payer said yes to beside; no limit where it is empty. ``parts``
    are what was fitted beside the work.
    """

    cover: tuple[Cover, ...]
    severity: int = 3
    certified: bool = True
    has_integrator: bool = True
    cause: str | None = None
    day_one_at: datetime | None = None
    warranty_from: datetime | None = None
    warranty_until: datetime | None = None
    custody: tuple[Custody, ...] = ()
    nte_minor: Mapping[str, int] = field(default_factory=dict)
    accepted_rates: Mapping[RateKey, Fraction] = field(default_factory=dict)
    opened_at: datetime | None = None
    task_class: str = SUPPORT
    customer_class: str = ""
    requested: tuple[str, ...] = ()
    cycles: tuple[datetime, ...] = ()
    distances: Mapping[int, Fraction] = field(default_factory=dict)
    hours_limit: tuple[HoursLimit, ...] = ()
    parts: tuple[FittedPart, ...] = ()


@dataclass(frozen=True, slots=True)
class GrantState:
    """Hours left that this case may draw: a lower ``priority`` goes first, then the earlier expiry, then included ones.

    Included ones serve the work that the plan covers, from ``starts_at`` to ``expires_at``; bought ones any. An empty
    ``modes`` or ``bands`` means every mode or band. ``incidents`` each pay for a whole case, however long it takes.
    ``unasked`` bought ones serve work the payer was not asked about: as much of them as a case may use without asking.
    """

    grant_id: int
    kind: str
    remaining_seconds: int
    priority: int = 0
    granted_at: datetime | None = None
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    modes: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    incidents: int = 0
    unasked: bool = False
