"""What an amount is taken off: a line of an invoice, or a part of what was paid ahead; and by which terms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.adjustments.rules.sharing import BY_SHARES, Part
from portal.adjustments.rules.unused import seconds_of_month
from portal.billing.actions.used import given_up_minor, grant_of_sale, used_of_sale
from portal.billing.models import BillItem, PlanEarning, PlanSale
from portal.billing.packs.models import PackSale
from portal.billing.parties import parties_of
from portal.billing.queries import given_back_minor
from portal.contracts.agreement import Agreement, Settlement
from portal.contracts.blocks import Company
from portal.contracts.models import DocumentVersion
from portal.contracts.queries import agreement_of, policies_of
from portal.contracts.rules import plan_named
from portal.entitlement.models import GrantBalance
from portal.entitlement.queries import terms_in_force
from portal.entitlement.rules import Amount
from portal.errors import RuleBroken

Source = BillItem | PlanSale | PackSale
REFUNDS, CHARGEBACKS = "refunds_borne_by", "chargebacks_borne_by"


@dataclass(frozen=True)
class Taking:
    """What is to be taken: of which invoice, line or payment ahead, by which word of the agreements, or from whom.

    ``paid_at`` is when the payer paid, None for what was never paid; ``goes_beyond`` whether what was used goes back
    as well.
    """

    manufacturer_id: int
    invoice_id: int | None
    invoice_item_id: int | None
    amount_minor: int
    word: str = REFUNDS
    bearer_id: int | None = None
    paid_at: datetime | None = None
    receipt_id: int | None = None
    goes_beyond: bool = False

    @property
    def when_paid(self) -> datetime:
        """When the payer paid what was paid ahead. *Raises*: RuleBroken where nothing was paid."""
        if self.paid_at is None:
            raise RuleBroken("What goes back was paid at some time.")
        return self.paid_at


# The stage of what an invoice had rounded up.
ROUNDING = "rounding"


@dataclass(frozen=True)
class Of:
    """What something is taken off, as the tables name it."""

    invoice_item_id: int | None = None
    receipt_id: int | None = None
    pack_sale_id: int | None = None
    plan_sale_id: int | None = None


@dataclass(frozen=True)
class LineLoss:
    """What one line takes, who loses it, and what of it is nobody's loss: not earned, not sold, tax, rounded up.

    ``borne_tax_minor`` is the tax that somebody pays in the payer's place. ``rounded_minor`` is what its invoice
    had asked beyond what was owed, so that it could be paid. ``commission`` is what selling it had earned;
    ``withdrawn`` names the grant that shrinks and by how much. ``is_payable`` where its shares were payable before
    it was paid, as those of a plan's month are.
    """

    of: Of
    amount_minor: int
    deferred_minor: int
    parts: tuple[Part, ...]
    customer_id: int
    by_shares: bool = True
    commission: tuple[Part, ...] = ()
    prepaid_minor: int = 0
    tax_minor: int = 0
    borne_tax_minor: int = 0
    rounded_minor: int = 0
    withdrawn: tuple[int, Amount] | None = None
    is_payable: bool = False

    @property
    def tax_in_it(self) -> int:
        """The tax in the amount, whoever pays it."""
        return self.tax_minor + self.borne_tax_minor

    @property
    def lost(self) -> tuple[Part, ...]:
        """Everything that somebody loses."""
        return (*self.parts, *self.commission)


def agreement_behind(session: Session, source: Source) -> Agreement | None:
    """The agreement that something sold or billed was shared by."""
    if isinstance(source, PlanSale):
        return terms_in_force(
            session, manufacturer_id=source.manufacturer_id, integrator_id=source.integrator_id, at=source.starts_at
        ).agreement
    if source.agreement_version_id is None:
        return None
    return agreement_of(session.get_one(DocumentVersion, source.agreement_version_id))


def signed(session: Session, source: Source, taking: Taking) -> tuple[Settlement, int | None]:
    """How the parties settle, and the one that bears it all where the act or the agreement names one."""
    agreement = agreement_behind(session, source)
    settlement = agreement.settlement if agreement is not None else Settlement()
    if taking.bearer_id is not None or agreement is None:
        return settlement, taking.bearer_id
    named = getattr(settlement, taking.word)
    if named == BY_SHARES:
        return settlement, None
    parties = parties_of(session, source, agreement)
    return settlement, parties.get(named, parties[Company.MANUFACTURER])


def named_bearer(session: Session, source: Source, word: str) -> int | None:
    """Who bears what a word of the agreement names; nobody where nothing was signed."""
    agreement = agreement_behind(session, source)
    if agreement is None:
        return None
    return parties_of(session, source, agreement).get(getattr(agreement.settlement, word))


def unearned_minor(session: Session, sale: PlanSale) -> int:
    """What of a month was sold and neither used, earned nor given back."""
    used = used_of_sale(session, sale) - given_up_minor(session, sale.id)
    earned = session.scalar(select(func.sum(PlanEarning.amount_minor)).where(PlanEarning.plan_sale_id == sale.id))
    return max(sale.amount_minor - used - int(earned or 0) - given_back_minor(session, sale.id), 0)


def minutes_back(session: Session, sale: PlanSale, deferred_minor: int) -> tuple[int, Amount] | None:
    """The unused minutes of a month that go back with a part of its price, by its policy; none once they are over."""
    grant = grant_of_sale(session, sale)
    if grant is None or not deferred_minor:
        return None
    policy = policies_of(session, {sale.policy_version_id})[sale.policy_version_id]
    if plan_named(policy, sale.plan_code).refunded_minutes_stay:
        return None
    free = session.get_one(GrantBalance, grant.id).free_seconds
    seconds = seconds_of_month(free, deferred_minor, unearned_minor(session, sale))
    return (grant.id, Amount(seconds, 0)) if seconds else None
