"""What Stripe's own books say: its balance, every movement of it, and the events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, cast

from portal.payments.exchanges.legs import Exchanged
from portal.payments.gateway.connection import PAGE_SIZE, Connection, answers, event_of, instant, plain
from portal.payments.provider import Movement, ReceivedEvent


class Books(Connection):
    """Calls about the balance and the events."""

    def available_balance(self) -> dict[str, int]:
        """What can be transferred now, by currency."""
        with answers():
            found = plain(self.client.v1.balance.retrieve())
        return {str(row["currency"]).upper(): int(row["amount"]) for row in found["available"]}

    def movements(self, since: datetime) -> Iterator[Movement]:
        """Balance transactions from ``since`` on, newest first, page by page."""
        with answers():
            wanted = cast(Any, {"created": {"gte": int(since.timestamp())}, "limit": PAGE_SIZE})
            for found in self.client.v1.balance_transactions.list(wanted).auto_paging_iter():
                yield movement_of(plain(found))

    def events(self, since: datetime, types: Sequence[str]) -> Iterator[ReceivedEvent]:
        """Snapshot events of the last thirty days at most, newest first."""
        with answers():
            bounds = {"gte": int(since.timestamp())}
            wanted = cast(Any, {"created": bounds, "types": list(types), "limit": PAGE_SIZE})
            for found in self.client.v1.events.list(wanted).auto_paging_iter():
                yield event_of(plain(found))

    def retrieve_event(self, event_id: str) -> ReceivedEvent:
        """A snapshot event read back."""
        with answers():
            return event_of(plain(self.client.v1.events.retrieve(event_id)))

    def retrieve_thin_event(self, event_id: str) -> ReceivedEvent:
        """A thin event with what its notification left out."""
        with answers():
            return event_of(plain(self.client.v2.core.events.retrieve(event_id)))


def movement_of(body: dict[str, Any]) -> Movement:
    """A balance transaction as we keep it."""
    return Movement(
        id=str(body["id"]),
        category=str(body.get("reporting_category") or body["type"]),
        currency=str(body["currency"]).upper(),
        amount_minor=int(body["amount"]),
        fee_minor=int(body["fee"]),
        net_minor=int(body["net"]),
        source_id=str(body.get("source") or ""),
        occurred_at=instant(body["created"]),
        available_at=instant(body["available_on"]),
        rate=_rate(body.get("exchange_rate")),
    )


def exchanged_of(amount_minor: int, currency: str, moved: dict[str, Any]) -> Exchanged | None:
    """A balance transaction about so much of ``currency``, where it is in another; the sign is the movement's.

    Where Stripe names no rate it is the one that the two amounts make.
    """
    settled_currency, settled = str(moved["currency"]).upper(), int(moved["amount"])
    if settled_currency == currency:
        return None
    return Exchanged(
        movement_id=str(moved["id"]),
        currency=currency,
        amount_minor=amount_minor if settled >= 0 else -amount_minor,
        settled_currency=settled_currency,
        settled_minor=settled,
        fee_minor=int(moved["fee"]),
        rate=_rate(moved.get("exchange_rate")) or Fraction(abs(settled), amount_minor),
    )


def _rate(said: float | None) -> Fraction | None:
    """As written: a float's digits, not its binary value."""
    return Fraction(str(said)) if said else None
