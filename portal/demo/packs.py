"""A pack in the demonstration: hours of the outpatient centre that are nearly used up."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.billing.actions import PackOrder, PackPrice, sell_pack
from portal.contracts.holdings import pack_named, price_of_packs
from portal.contracts.queries import policy_in_force
from portal.demo.present import DAY, CaseOfNow, at_work, escalation
from portal.demo.story import Act, Story


def plan_packs(story: Story) -> None:
    """Hours are bought some days ago, and work of the last days uses them."""
    story.plan(at_work(story.now) - 4 * DAY, _bought(story, "ambulanz", "KES", "hours_10"))
    long = escalation(
        story,
        "tom",
        "NA-11207",
        "Card data does not reach the doors",
        "New cards open nothing since Monday.",
        severity=3,
    )
    _worked_on(story, long, days=3, minutes=(270, 285), cause="configuration")


def _bought(story: Story, place: str, seller: str, pack_code: str) -> Act:
    """The integrator sells packs at the policy's price; they stand on the customer's next invoice."""
    site = story.world.sites[place]
    seller_id = story.world.organisations[seller].id
    maker_id = story.world.organisations["NOR"].id

    def act(session: Session, now: datetime) -> None:
        held = policy_in_force(session, maker_id, now)
        price = price_of_packs(held.policy, pack_named(held.policy, pack_code), 1)
        order = PackOrder(site.id, seller_id, held.version.id, pack_code, 1, now, f"demo:{place}")
        sell_pack(session, order, PackPrice(price.total_minor, held.policy.currency, seller_id), now=now)

    return act


def _worked_on(story: Story, case: CaseOfNow, *, days: int, minutes: tuple[int, ...], cause: str) -> None:
    """The factory works on it before its day begins, a stretch each morning, and resolves it at the end."""
    acts: dict[int, Act] = {5: case.accepted_by("eli")}
    for number, worked in enumerate(minutes):
        acts[24 * 60 * number + worked + 30] = case.worked_by("eli", worked, "Compared the card lists door by door")
    acts[24 * 60 * (len(minutes) - 1) + minutes[-1] + 35] = case.resolved_by("eli", cause, "Lists written again.")
    case.unfolds((at_work(story.now) - days * DAY).replace(hour=3, minute=30), acts)
