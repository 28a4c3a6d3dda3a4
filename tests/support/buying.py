"""Buying as a test does it: ordered by the buyer, paid at the stand-in's page, the events handled in some order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from portal.contracts.actions import Taking, take_plan
from portal.contracts.models import DocumentVersion
from portal.payments import calls
from portal.payments.actions import receive
from portal.payments.gateway import Gateway
from portal.payments.models import Intent
from portal.selling import queries
from portal.selling.actions import Order, Place, order
from portal.selling.models import Purchase
from portal.selling.queries import Bought
from tests.standin.process import Standin
from tests.standin.receiver import Receiver
from tests.support.cast import DOCUMENTS, NOW, Cast
from tests.support.versions import signed_policy

PLACE = Place("https://portal.example")
PACK_MINOR, MONTH_MINOR = 135_000, 29_000
DAY_SECONDS = 86_400
POLICY_TEXT = (DOCUMENTS / "nordlicht_policy.toml").read_text()
_PLAN = POLICY_TEXT[POLICY_TEXT.index('[[plans]]\ncode = "assured"') :]
_PLAN = _PLAN[: _PLAN.index("\n[", 1) + 1]


def _another(code: str, price: str, rank: str) -> str:
    """A paid plan like the one of the demo."""
    said = {'"assured"': f'"{code}"', '"Assured"': f'"{code.title()}"', '"290.00"': price, "rank = 20": rank}
    text = _PLAN
    for before, after in said.items():
        text = text.replace(before, after)
    return text


# What a policy says instead, for two more plans: a dearer and a cheaper one.
OTHER_PLANS = (_PLAN, _PLAN + _another("premium", '"490.00"', "rank = 10") + _another("light", '"250.00"', "rank = 30"))


def pack_order(cast: Cast, **changed: Any) -> Order:
    """Ten hours for the site without a plan."""
    wanted = {
        "site_id": cast.plain_site.id,
        "manufacturer_id": cast.factory.id,
        "kind": "pack",
        "code": "hours_10",
        "interval": "once",
        "quantity": 1,
        "shown_sha256": cast.policy_version.sha256,
        "shown_minor": PACK_MINOR,
        "form_key": uuid4(),
    }
    return Order(**{**wanted, **changed})


def plan_order(cast: Cast, **changed: Any) -> Order:
    """The paid plan for the site without one, by the month."""
    plan = {"kind": "plan", "code": "assured", "interval": "month", "shown_minor": MONTH_MINOR}
    return pack_order(cast, **{**plan, **changed})


@dataclass(frozen=True)
class Shop:
    """A buyer's doings against one stand-in whose clock stands at ``NOW``."""

    session: Session
    engine: Engine
    gateway: Gateway
    standin: Standin
    receiver: Receiver
    cast: Cast
    run_jobs: Callable[..., list[str]]

    def buy(self, wanted: Order, *, method: str = "card", now: datetime = NOW, place: Place = PLACE) -> Purchase:
        """Ordered, paid at the page, told of and sold."""
        purchase = self.ordered(wanted, now=now, place=place)
        self.pay(purchase, method=method)
        self.hear(now=now)
        return purchase

    def ordered(self, wanted: Order, *, now: datetime = NOW, place: Place = PLACE) -> Purchase:
        """Ordered, with the page at Stripe made."""
        purchase = order(self.session, self.cast.bea, wanted, place, now=now)
        self.session.commit()
        calls.perform(self.engine, self.gateway, purchase.intent_id, now)
        return purchase

    def pay(self, purchase: Purchase, *, method: str = "card") -> None:
        intent = self.session.get_one(Intent, purchase.intent_id, populate_existing=True)
        self.standin.control.pay_session(intent.provider_object_id, method=method)

    def hear(self, *, now: datetime = NOW, copies: int = 1, newest_first: bool = False) -> None:
        """Every delivery is taken in, ``copies`` times, and all jobs are run."""
        self.standin.control.drain()
        delivered = self.receiver.at("/snapshot")
        for one in reversed(delivered) if newest_first else delivered:
            for _ in range(copies):
                receive(self.session, one.body, one.signature, ("whsec_tests",), style="snapshot")
        self.session.commit()
        self.run_jobs(now, gateway=self.gateway)
        self.session.expire_all()

    def seen(self, purchase: Purchase) -> Bought:
        """The purchase as it stands."""
        self.session.expire_all()
        return queries.bought(self.session, purchase)


def lapsed(session: Session, cast: Cast, *lines: str, changes: Sequence[tuple[str, str]] = ()) -> DocumentVersion:
    """The paid plan was held at the plain site until seven weeks ago; what the policy asks stands in ``lines``."""
    version = signed_policy(session, cast, ("[emergency]", "\n".join(("[lapse]", *lines, "", "[emergency]"))), *changes)
    ended = NOW - timedelta(days=49)
    for code, at in (("assured", ended - timedelta(days=200)), ("complimentary", ended)):
        parties = (cast.integrator.id, cast.integrator.id, cast.bea.person_id)
        take_plan(session, Taking(cast.plain_site, version, code, *parties), from_at=at, now=at)
    session.commit()
    return version


def posted(session: Session, purpose: str) -> int:
    """What the accounts of a purpose hold together, debit positive."""
    return session.scalar(
        text(
            "SELECT coalesce(sum(amount_minor), 0)::bigint FROM posting JOIN account ON account.id = account_id"
            " WHERE purpose = :purpose"
        ),
        {"purpose": purpose},
    )
