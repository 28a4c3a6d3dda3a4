"""A manufacturer with its integrator and customer, and open books: what ledger tests start from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.directory.models import Organisation
from portal.ledger.actions import open_first_period, post
from portal.ledger.models import Period
from portal.ledger.rules import Document, Leg, Purpose, credit, debit, pairs

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
NEXT_MONTH = datetime(2026, 4, 1, 6, tzinfo=UTC)
SALE = pairs((Purpose.UNBILLED, Purpose.ACCRUED), (Purpose.ACCRUED, Purpose.PAYABLE))


@dataclass(frozen=True)
class Books:
    """Ids of the organisations, and the open period."""

    manufacturer_id: int
    integrator_id: int
    customer_id: int
    period: Period

    def finance(self, organisation_id: int | None = None, side: Side = Side.MANUFACTURER) -> Actor:
        """Somebody in finance, of the manufacturer where nothing else is said."""
        return Actor(1, organisation_id or self.manufacturer_id, side, frozenset({Role.FINANCE}))


def build_books(session: Session, prefix: str = "LED") -> Books:
    """Three organisations and the manufacturer's first period, March 2026."""
    rows = [
        Organisation(
            side=side, code=f"{prefix}{side[0].upper()}", name=side, zone="Europe/Berlin", country="DE",
            currency="EUR", created_at=NOW,
        )
        for side in ("manufacturer", "integrator", "customer")
    ]  # fmt: skip
    session.add_all(rows)
    session.flush()
    period = open_first_period(session, manufacturer_id=rows[0].id, zone="Europe/Berlin", now=NOW)
    return Books(rows[0].id, rows[1].id, rows[2].id, period)


def sale(books: Books, amount_minor: int) -> list[Leg]:
    """Unbilled work owed by the customer, accrued to the integrator."""
    return [
        debit(Purpose.UNBILLED, amount_minor, books.customer_id),
        credit(Purpose.ACCRUED, amount_minor, books.integrator_id),
    ]


def post_sale(session: Session, books: Books, amount_minor: int, number: int = 1) -> int:
    """A sale posted as document ``number``."""
    return post(
        session,
        manufacturer_id=books.manufacturer_id,
        currency="EUR",
        kind="sale",
        document=Document("test", str(number)),
        legs=sale(books, amount_minor),
        allowed_pairs=SALE,
        occurred_at=NOW,
        now=NOW,
    )
