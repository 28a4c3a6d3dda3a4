"""The vocabulary both kinds of documents are written in: codes, amounts, rate rows, tranches, weights.

Everything is a frozen value; an unknown key is an error; a list of conditions that is left out means "any".
Amounts and rates are decimal text in major units, exact, never a float.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

WHOLE_BP = 10_000


class Block(BaseModel):
    """One table of a document."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Mode(StrEnum):
    """How the work was done."""

    REMOTE = "remote"
    PHONE = "phone"
    ON_SITE = "on_site"
    TRAVEL = "travel"


class TaskClass(StrEnum):
    """What kind of help it was."""

    SUPPORT = "support"
    HOW_TO = "how_to"
    COMMISSIONING = "commissioning"


class Revenue(StrEnum):
    """The kinds of revenue that are shared."""

    TIME_AND_MATERIALS = "time_and_materials"
    INCLUDED = "included"
    SUBSCRIPTION = "subscription"
    PACK_USE = "pack_use"
    PACK_BREAKAGE = "pack_breakage"
    MATERIALS = "materials"


class ActsAs(StrEnum):
    """As what the manufacturer sells a kind of revenue: for itself, or for whoever has a share of it."""

    AGENT = "agent"
    PRINCIPAL = "principal"


class Company(StrEnum):
    """The two companies that can hold and resolve a case."""

    MANUFACTURER = "manufacturer"
    INTEGRATOR = "integrator"


class Payer(StrEnum):
    """Who pays a bill item; the manufacturer paying means that it is free and borne by the manufacturer."""

    CUSTOMER = "customer"
    INTEGRATOR = "integrator"
    MANUFACTURER = "manufacturer"


class Collector(StrEnum):
    """Who collects the money from the payer."""

    OPERATOR = "operator"
    INTEGRATOR = "integrator"


class Direction(StrEnum):
    """Which way minutes are rounded."""

    UP = "up"
    DOWN = "down"
    NEAREST = "nearest"


class Level(StrEnum):
    """Where rounding and minimums apply."""

    ENTRY = "entry"
    VISIT = "visit"
    DAY = "day"
    CYCLE = "cycle"
    CASE = "case"


class Recipient(StrEnum):
    """To whom a tranche goes."""

    PARTY = "party"
    SELLER = "seller"
    WORKED_TIME = "worked_time"
    RESOLVER = "resolver"
    SUPPLIER = "supplier"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{name}" is no time zone; write a name like "Europe/Berlin"') from None
    return name


Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ProductLineCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./_+-]{0,79}$")]
OrganisationCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{1,9}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
DecimalText = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?$")]
MailAddress = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]
# docs.stripe.com/tax/tax-codes, 2026-11.
TaxCode = Annotated[str, StringConstraints(pattern=r"^txcd_[0-9]{8}$")]
ZoneName = Annotated[str, AfterValidator(_zone)]
BasisPoints = Annotated[int, Field(ge=0, le=WHOLE_BP)]
Minutes = Annotated[int, Field(ge=0, le=5_256_000)]
SomeMinutes = Annotated[int, Field(ge=1, le=5_256_000)]
Days = Annotated[int, Field(ge=0, le=3_660)]
SomeDays = Annotated[int, Field(ge=1, le=3_660)]
Severity = Annotated[int, Field(ge=1, le=4)]


# The part of a tranche that states none, until its row has worked it out.
TAKES_REST = -1


class Tranche(Block):
    """One slice of a revenue kind."""

    to: Recipient
    """"party" (a fixed one, named by party), "seller", "worked_time" (by seconds worked) or "resolver" (by weights)."""
    party: Code | None = None
    """The fixed party: operator, manufacturer, integrator, or another code of the parties table."""
    bp: BasisPoints = TAKES_REST
    """Its part in basis points; the tranches of one kind sum to 10000, so one of them may leave it out."""
    cap: DecimalText | None = None
    """The most this tranche takes from one bill item; what is above goes to the next tranche."""
    floor: DecimalText | None = None
    """The least it takes from one bill item, as far as the item reaches; the tranches after it have that much less."""

    @model_validator(mode="after")
    def _names_its_party(self) -> Self:
        if (self.to == Recipient.PARTY) != (self.party is not None):
            raise ValueError('to = "party" names its party; the other recipients name none')
        return self


class Slices(Block):
    """What is shared, cut into tranches."""

    tranches: tuple[Tranche, ...] = Field(min_length=1)
    """The slices, in order; one of them may leave out its bp and takes the rest."""

    @model_validator(mode="after")
    def _rest_stated(self) -> Self:
        """The slices with the rest written out: what is signed states every part."""
        without = [each for each in self.tranches if each.bp == TAKES_REST]
        if not without:
            return self
        if len(without) > 1:
            raise ValueError("only one tranche of a kind takes the rest; state the bp of the others")
        rest = WHOLE_BP - sum(each.bp for each in self.tranches if each.bp != TAKES_REST)
        if rest < 0:
            raise ValueError("the tranches that state their bp sum to more than 10000: nothing is left for the other")
        stated = tuple(each.model_copy(update={"bp": rest}) if each in without else each for each in self.tranches)
        return self.model_copy(update={"tranches": stated})


class VolumeTier(Slices):
    """Other slices once a partnership has earned enough."""

    above: DecimalText
    """The volume above which these slices hold."""


class ShareRow(Slices):
    """How revenue of some kinds is shared."""

    revenues: tuple[Revenue, ...] = Field(min_length=1)
    """The revenue kinds this row is for."""
    acts_as: ActsAs = ActsAs.AGENT
    """principal: the books show all of it as revenue and the shares as its cost; agent: only what a party keeps."""
    volume_months: int = Field(default=12, ge=1, le=36)
    """The volume is what the partnership's bill items came to in so many closed months before the item's own."""
    volumes: tuple[VolumeTier, ...] = ()
    """Slices by volume, the lowest first: the last whose volume was passed holds, below all of them the row's own."""


class Weights(Block):
    """How much of the resolving counts for each company."""

    integrator_bp: BasisPoints
    """The integrator's weight in basis points."""
    manufacturer_bp: BasisPoints
    """The manufacturer's weight in basis points; both sum to 10000."""

    def of(self, company: Company) -> int:
        """The weight of one company."""
        return self.integrator_bp if company == Company.INTEGRATOR else self.manufacturer_bp


class ResolutionRow(Weights):
    """Weights for a cause and last corrective action; the first row that fits decides."""

    causes: tuple[Code, ...] = ()
    """Causes this row is for; any where left out."""
    last_actions: tuple[Code, ...] = ()
    """Last corrective actions this row is for; any where left out."""

    def covers(self, *, cause: str, last_action: str) -> bool:
        """Whether the row is for this cause and last corrective action."""
        by_cause = not self.causes or cause in self.causes
        return by_cause and (not self.last_actions or last_action in self.last_actions)
