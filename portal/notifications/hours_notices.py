"""What customers are told of the hours they bought: which case used how much of them, and that little is left.

Prices are read on the page, signed in.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Role
from portal.cases.models import SupportCase
from portal.directory.models import Organisation, Site
from portal.entitlement.models import Authorization, GrantBalance, GrantDraw, TopUpNotice, UsageGrant
from portal.notifications.actions import queue_letter
from portal.notifications.letters import Writing, letter
from portal.notifications.recipients import people_with_role
from portal.notifications.rendering import Fact, Letter

_TOLD = (Role.BUYER, Role.CONTACT)


def notify_pack_use(session: Session, bill_item_id: int, now: datetime) -> None:
    """Tell the customer's buyers and contacts of the site that a case has used hours they bought; once per bill."""
    used = _used(session, bill_item_id)
    if not used:
        return
    case = session.get_one(SupportCase, used[0][0].case_id)
    for recipient in people_with_role(session, case.customer_id, _TOLD, site_id=case.site_id):
        about = ("bill_item", bill_item_id)
        queue_letter(session, recipient, "pack_used", about=about, now=now, once=f"pack_used:{bill_item_id}")


def notify_top_up(session: Session, notice_id: int, now: datetime) -> None:
    """Tell the customer's buyers and contacts of the site that little is left; once each time it falls below."""
    notice = session.get_one(TopUpNotice, notice_id)
    for recipient in people_with_role(session, notice.customer_id, _TOLD, site_id=notice.site_id):
        about = ("top_up_notice", notice.id)
        queue_letter(session, recipient, "top_up", about=about, now=now, once=f"top_up:{notice.id}")


@letter("pack_used")
def pack_used(writing: Writing) -> Letter | None:
    """A case has used hours the customer bought."""
    session, bill_item_id = writing.session, int(writing.delivery.object_id)
    used = _used(session, bill_item_id)
    if not used:
        return None
    case = session.get_one(SupportCase, used[0][0].case_id)
    return Letter(
        subject=f"{case.name} used hours that you bought",
        greeting=writing.greeting,
        sentences=(
            "The work on this case is paid by hours or cases you bought; no invoice follows for it.",
            *_yeses(session, case),
        ),
        facts=tuple(
            fact
            for draw, grant, balance in used
            for fact in (
                Fact(_label(grant), _how_much(draw.seconds, draw.incidents)),
                Fact("Left of it", _how_much(balance.free_seconds, balance.free_incidents, grant)),
            )
        ),
        button=("See where they went", writing.page(f"plan/{case.site_id}/{case.manufacturer_id}/hours")),
    )


@letter("top_up")
def top_up(writing: Writing) -> Letter | None:
    """Little is left of the hours a customer bought."""
    session = writing.session
    notice = session.get_one(TopUpNotice, int(writing.delivery.object_id))
    site, maker = session.get_one(Site, notice.site_id), session.get_one(Organisation, notice.manufacturer_id)
    return Letter(
        subject=f"{notice.left_seconds // 60} minutes are left at {site.name}",
        greeting=writing.greeting,
        sentences=(
            f"Less than {notice.threshold_seconds // 60} minutes are left of the hours you bought from {maker.name}.",
            "When they are used up, help is billed by time, when you say yes. You can buy more before that.",
        ),
        button=("See what is left", writing.page(f"plan/{notice.site_id}/{notice.manufacturer_id}/hours")),
    )


def _used(session: Session, bill_item_id: int) -> list[tuple[GrantDraw, UsageGrant, GrantBalance]]:
    """What a bill took of bought hours; what it gave back is no news."""
    rows = session.execute(
        select(GrantDraw, UsageGrant, GrantBalance)
        .join(UsageGrant, UsageGrant.id == GrantDraw.grant_id)
        .join(GrantBalance, GrantBalance.grant_id == GrantDraw.grant_id)
        .where(GrantDraw.bill_item_id == bill_item_id, UsageGrant.kind == "pack")
        .order_by(GrantDraw.id)
    ).tuples()
    return [(draw, grant, balance) for draw, grant, balance in rows if draw.seconds > 0 or draw.incidents > 0]


def _yeses(session: Session, case: SupportCase) -> list[str]:
    """What the customer said yes to beyond what a case may use of its hours without asking."""
    mine = (Authorization.case_id == case.id, Authorization.hours_seconds > 0)
    given = session.scalars(select(Authorization).where(*mine).order_by(Authorization.id)).all()
    return [f"{yes.person_name} said yes to {yes.hours_seconds // 60} minutes more for this case." for yes in given]


def _label(grant: UsageGrant) -> str:
    return str((grant.terms or {}).get("label", grant.pack_code))


def _how_much(seconds: int, incidents: int, grant: UsageGrant | None = None) -> str:
    if incidents or (grant is not None and grant.granted_incidents):
        return f"{incidents} {'case' if incidents == 1 else 'cases'}"
    return f"{seconds // 60} minutes"
