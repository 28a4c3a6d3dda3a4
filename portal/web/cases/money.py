"""What a case comes to in money as it stands, or as a resolution would have it, for somebody who may read it."""

from __future__ import annotations

from dataclasses import dataclass

from portal.access import may_see_prices
from portal.billing.gathering import Gathered
from portal.billing.outcome import Outcome
from portal.billing.preview import PayerPreview, case_money_preview
from portal.cases.models import SupportCase
from portal.contracts.blocks import Weights
from portal.contracts.rules import ResolutionWeights
from portal.money import Money
from portal.web.gate import current_actor, current_now, current_session

PARTY_WORDS = {
    "manufacturer": "Factory",
    "integrator": "Integrator",
    "operator": "Operator",
    "undetermined": "Not settled yet",
}
REVENUE_WORDS = {
    "time_and_materials": "Time and materials",
    "included": "Included hours",
    "pack_use": "Bought hours",
    "pack_breakage": "Bought hours not used",
    "materials": "Parts",
    "subscription": "Subscription",
}


@dataclass(frozen=True)
class PayerLine:
    """A line as it would be billed."""

    sentence: str
    amount: Money


@dataclass(frozen=True)
class PayerView:
    """What one side would pay."""

    payer: str
    amount: Money
    without_plan: Money
    authorized: Money | None
    lines: tuple[PayerLine, ...]


@dataclass(frozen=True)
class ShareView:
    """What one party would get."""

    party: str
    revenue: str
    amount: Money


@dataclass(frozen=True)
class MoneyView:
    """A case's money in words; ``shares`` None for those who may not see them."""

    payers: tuple[PayerView, ...]
    shares: tuple[ShareView, ...] | None
    included_seconds: int
    unapproved_seconds: int
    waits: tuple[str, ...]


def money_view(case: SupportCase, *, outcome: Outcome | None = None, read: Gathered | None = None) -> MoneyView | None:
    """The preview as a page prints it; None for those who see no price."""
    session, actor = current_session(), current_actor()
    if not may_see_prices(actor):
        return None
    shown = case_money_preview(session, actor, case, now=current_now(), outcome=outcome, read=read)
    return MoneyView(
        payers=tuple(_payer(each, shown.currency) for each in shown.payers),
        shares=tuple(
            ShareView(
                PARTY_WORDS.get(share.party, share.party),
                REVENUE_WORDS.get(share.revenue, str(share.revenue)),
                Money(share.amount_minor, shown.currency),
            )
            for share in shown.shares
        )
        if shown.shares is not None
        else None,
        included_seconds=shown.included_seconds,
        unapproved_seconds=shown.unapproved_seconds,
        waits=tuple(blocker.sentence for blocker in shown.blockers),
    )


def outcome_with(cause: str, weights: ResolutionWeights) -> Outcome:
    """The outcome a resolution would have once the other company has said yes."""
    return Outcome(
        cause=cause,
        weights=Weights(integrator_bp=weights.integrator_bp, manufacturer_bp=weights.manufacturer_bp),
    )


def _payer(preview: PayerPreview, currency: str) -> PayerView:
    return PayerView(
        payer=PARTY_WORDS.get(preview.payer, preview.payer.capitalize()),
        amount=Money(preview.amount_minor, currency),
        without_plan=Money(preview.list_amount_minor, currency),
        authorized=Money(preview.authorized_minor, currency) if preview.authorized_minor else None,
        lines=tuple(PayerLine(line.sentence, Money(line.amount_minor, currency)) for line in preview.lines),
    )
