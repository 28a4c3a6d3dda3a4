"""What of a pack nobody used is earned when it has expired: breakage, shared as the documents say, payable at once.

It is earned once nothing of the pack is promised any more and all work of its time is billed. Where earlier work uses
expired hours after all, what their expiry had earned is taken back before the use earns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from portal.billing.models import BillItemReversal
from portal.billing.packs.earning import Part, earn
from portal.billing.packs.models import PackEarning, PackSale, PackShare, PackUse
from portal.billing.packs.rules import expiry_minor, sharable_minor, units
from portal.billing.parties import parties_of, role_of
from portal.billing.reductions.models import LineReduction
from portal.contracts.blocks import Revenue
from portal.contracts.discounts import discount_between
from portal.contracts.rules import split_terms
from portal.contracts.sharing import RevenuePart, Share, SharingFacts, shares_of
from portal.entitlement.models import GrantDraw, GrantExpiry, UsageGrant
from portal.entitlement.queries import Terms, terms_in_force
from portal.entitlement.rules import NOTHING, Amount
from portal.entitlement.withdrawals.models import GrantWithdrawal

COMMISSION, EXPIRY = "commission", "expiry"


@dataclass(frozen=True)
class Stands:
    """What stands of a sale as earned: by items that were not taken back, by its expiry, by selling it.

    ``given_back_minor`` and ``withdrawn`` are what of its price and its minutes or incidents went back to the payer.
    """

    used_minor: int
    expired_minor: int
    commission_minor: int
    given_back_minor: int = 0
    withdrawn: Amount = NOTHING

    def sharable_minor(self, price_minor: int) -> int:
        """What use and expiry earn of a price."""
        return sharable_minor(price_minor, self.commission_minor) - self.given_back_minor


def stands_of(session: Session, sale: PackSale) -> Stands:
    """What stands of a sale as earned."""
    used = session.scalar(
        select(func.coalesce(func.sum(PackUse.amount_minor), 0)).where(
            PackUse.pack_sale_id == sale.id, PackUse.bill_item_id.not_in(select(BillItemReversal.bill_item_id))
        )
    )
    rows = session.execute(
        select(PackEarning.kind, func.sum(PackEarning.amount_minor))
        .where(PackEarning.pack_sale_id == sale.id)
        .group_by(PackEarning.kind)
    ).tuples()
    earned = {kind: int(minor) for kind, minor in rows}
    back = session.scalar(
        select(func.coalesce(func.sum(LineReduction.deferred_minor), 0)).where(LineReduction.pack_sale_id == sale.id)
    )
    gone = session.execute(
        select(func.sum(GrantWithdrawal.seconds), func.sum(GrantWithdrawal.incidents)).where(
            GrantWithdrawal.grant_id == sale.grant_id
        )
    ).one()
    withdrawn = Amount(int(gone[0] or 0), int(gone[1] or 0))
    return Stands(int(used or 0), earned.get(EXPIRY, 0), earned.get(COMMISSION, 0), int(back or 0), withdrawn)


# Sales of which something expired or was used since they last earned by it. What is promised, and work of the pack's
# time that no bill counts yet, is waited for.
_RIPE = text(
    """
    SELECT sale.id FROM pack_sale sale
    JOIN usage_grant given ON given.id = sale.grant_id
    JOIN grant_balance balance ON balance.grant_id = given.id
    LEFT JOIN LATERAL (
        SELECT max(earned_at) AS at FROM pack_earning WHERE pack_sale_id = sale.id AND kind = 'expiry') last ON true
    WHERE sale.manufacturer_id = :manufacturer_id AND balance.ends_at <= :now
      AND balance.reserved_seconds = 0 AND balance.reserved_incidents = 0
      AND EXISTS (SELECT FROM grant_expiry WHERE grant_expiry.grant_id = given.id)
      AND (last.at IS NULL
           OR EXISTS (SELECT FROM grant_expiry WHERE grant_expiry.grant_id = given.id AND recorded_at >= last.at)
           OR EXISTS (SELECT FROM grant_draw WHERE grant_draw.grant_id = given.id AND drawn_at >= last.at))
      AND NOT EXISTS (
          SELECT FROM support_case
          JOIN time_entry entry ON entry.case_id = support_case.id
          WHERE support_case.site_id = sale.site_id AND support_case.manufacturer_id = sale.manufacturer_id
            AND entry.started_at >= given.starts_at AND entry.started_at < balance.ends_at
            AND NOT EXISTS (SELECT FROM time_reversal WHERE time_reversal.entry_id = entry.id)
            AND NOT EXISTS (SELECT FROM bill_segment WHERE bill_segment.entry_id = entry.id)
            AND NOT EXISTS (SELECT FROM billing_cut cut JOIN bill_item item ON item.cut_id = cut.id
                            WHERE cut.case_id = support_case.id AND cut.cut_at >= entry.ended_at))
    ORDER BY sale.id
    """
)


def earn_packs(session: Session, manufacturer_id: int, *, now: datetime, livemode: bool = False) -> int:
    """Earn what expired of a manufacturer's packs; how many changed. Again finds nothing more."""
    key = f"packs:{manufacturer_id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    changed = 0
    for sale_id in session.scalars(_RIPE, {"manufacturer_id": manufacturer_id, "now": now}).all():
        sale = session.get_one(PackSale, sale_id)
        grant, stands = session.get_one(UsageGrant, sale.grant_id), stands_of(session, sale)
        target = _target(session, sale, grant, stands, drawn=_drawn(session, grant.id), more_minor=0)
        changed += _earn(session, sale, stands, target_minor=target, now=now, livemode=livemode)
    return changed


def before_use(
    session: Session,
    sale: PackSale,
    grant: UsageGrant,
    stands: Stands,
    *,
    more_minor: int,
    drawn: Amount,
    now: datetime,
    livemode: bool,
) -> None:
    """Take back what the expiry of hours had earned that are used after all; ``drawn`` counts that use."""
    if stands.expired_minor:
        target = _target(session, sale, grant, stands, drawn=drawn, more_minor=more_minor)
        if target < stands.expired_minor:
            _earn(session, sale, stands, target_minor=target, now=now, livemode=livemode)


def _target(
    session: Session, sale: PackSale, grant: UsageGrant, stands: Stands, *, drawn: Amount, more_minor: int
) -> int:
    return expiry_minor(
        stands.sharable_minor(sale.amount_minor),
        used_minor=stands.used_minor + more_minor,
        drawn=units(grant, drawn),
        expired=units(grant, _expired(session, grant.id)),
        granted=units(grant) - units(grant, stands.withdrawn),
    )


def _drawn(session: Session, grant_id: int) -> Amount:
    seconds, incidents = func.sum(GrantDraw.seconds), func.sum(GrantDraw.incidents)
    row = session.execute(select(seconds, incidents).where(GrantDraw.grant_id == grant_id)).one()
    return Amount(int(row[0] or 0), int(row[1] or 0))


def _expired(session: Session, grant_id: int) -> Amount:
    seconds, incidents = func.sum(GrantExpiry.seconds), func.sum(GrantExpiry.incidents)
    row = session.execute(select(seconds, incidents).where(GrantExpiry.grant_id == grant_id)).one()
    return Amount(int(row[0] or 0), int(row[1] or 0))


def _earn(session: Session, sale: PackSale, stands: Stands, *, target_minor: int, now: datetime, livemode: bool) -> int:
    """Book the difference to what the expiry has earned so far, party by party; whether there was any."""
    difference = target_minor - stands.expired_minor
    if difference == 0:
        return 0
    terms = terms_in_force(
        session, manufacturer_id=sale.manufacturer_id, integrator_id=sale.integrator_id, at=sale.sold_at
    )
    parties = parties_of(session, sale, terms.agreement)
    expired = _expired(session, sale.grant_id)
    earn(
        session,
        sale,
        kind=EXPIRY,
        amount_minor=difference,
        seconds=expired.seconds,
        incidents=expired.incidents,
        shares=_parts(session, sale, terms, role_of(parties, sale.seller_id), _part(sale, stands, target_minor)),
        parties=parties,
        terms=terms,
        explanation={
            "price_minor": sale.amount_minor,
            "commission_minor": stands.commission_minor,
            "used_minor": stands.used_minor,
            "expired_minor": target_minor,
            "expired_before_minor": stands.expired_minor,
        },
        now=now,
        livemode=livemode,
    )
    return 1


def _part(sale: PackSale, stands: Stands, target_minor: int) -> RevenuePart:
    """All that expiry earned, with what a promotion code took off it: it comes after what use earned."""
    whole = sharable_minor(sale.amount_minor, stands.commission_minor)
    off = discount_between(sale.discount_left_minor, whole, stands.used_minor, stands.used_minor + target_minor)
    return RevenuePart(Revenue.PACK_BREAKAGE, target_minor, off)


def expiry_shares(sale: PackSale, terms: Terms, seller: str, part: RevenuePart) -> tuple[Share, ...]:
    """Who has what of all that expiry earned, by these documents."""
    facts = SharingFacts(
        parts=(part,),
        weights=split_terms(terms.policy, terms.agreement).fallback,
        seller=seller,
        has_integrator=sale.integrator_id != sale.manufacturer_id,
    )
    return shares_of(terms.policy, terms.agreement, facts)


def _parts(session: Session, sale: PackSale, terms: Terms, seller: str, part: RevenuePart) -> Sequence[Part]:
    """The parties' parts of all that expiry earned, less what they have of it already."""
    found = {share.party: share for share in expiry_shares(sale, terms, seller, part)}
    before = dict(
        session.execute(
            select(PackShare.party_role, func.sum(PackShare.amount_minor))
            .join(PackEarning, PackEarning.id == PackShare.pack_earning_id)
            .where(PackShare.pack_sale_id == sale.id, PackEarning.kind == EXPIRY)
            .group_by(PackShare.party_role)
        )
        .tuples()
        .all()
    )
    return [
        Part(
            role,
            Revenue.PACK_BREAKAGE,
            (found[role].amount_minor if role in found else 0) - int(before.get(role, 0)),
            found[role].weight_bp if role in found else 0,
            found[role].explanation if role in found else (),
        )
        for role in dict.fromkeys((*found, *before))
    ]
