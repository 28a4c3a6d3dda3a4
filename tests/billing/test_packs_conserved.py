"""Whatever is bought, used, expired and corrected, in whatever order: what is deferred is what was not earned yet."""

from __future__ import annotations

import threading
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.billing.actions import bill, cut, earn_packs, rebill_case, reserve_hours
from portal.billing.books import check_books
from portal.billing.models import BillItemReversal
from portal.billing.packs.models import PackEarning, PackUse
from portal.billing.packs.rules import earned_minor, expiry_minor
from portal.db import open_session
from portal.entitlement.actions import end_grants
from portal.entitlement.models import GrantBalance
from portal.ledger.queries import balances
from portal.metering.actions import reverse_entry
from tests.support.billed import BILLED_AT, open_books, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, Cast, build_cast, hours_later
from tests.support.packs import bought

NEXT_YEAR = NOW + timedelta(days=370)
PRICE, GRANTED = 9_999, 600


class Model:
    """A pack and its money, by the rules alone: what each use earned, and what its expiry did."""

    def __init__(self, price: int, granted: int) -> None:
        self.price, self.granted = price, granted
        self.uses: list[tuple[int, int]] = []
        self.expired = self.expiry = 0

    @property
    def used(self) -> int:
        return sum(amount for amount, _ in self.uses)

    @property
    def earned(self) -> int:
        return sum(minor for _, minor in self.uses)

    def use(self, amount: int) -> None:
        """A use; of what has expired, where nothing else is left."""
        taken = min(amount, self.granted - self.used)
        if taken <= 0:
            return
        self.expired = min(self.expired, self.granted - self.used - taken)
        minor = max(earned_minor(self.price, self.used + taken, self.granted) - self.earned, 0)
        self.uses.append((taken, minor))
        self._settle(most=self.expiry)

    def correct(self, number: int) -> None:
        if self.uses:
            self.uses.pop(number % len(self.uses))

    def expire(self) -> None:
        self.expired = self.granted - self.used
        self._settle(most=self.price)

    def _settle(self, *, most: int) -> None:
        target = expiry_minor(
            self.price, used_minor=self.earned, drawn=self.used, expired=self.expired, granted=self.granted
        )
        self.expiry = min(target, most)

    @property
    def deferred(self) -> int:
        return self.price - self.earned - self.expiry


steps = st.lists(
    st.tuples(st.just("use"), st.integers(1, 400))
    | st.tuples(st.sampled_from(["correct", "expire"]), st.integers(0, 9)),
    max_size=12,
)


@settings(max_examples=400)
@given(price=st.integers(1, 100_000), granted=st.integers(1, 700), done=steps)
def test_no_order_of_uses_and_corrections_earns_more_than_the_price(price, granted, done) -> None:
    model = Model(price, granted)
    for what, number in done:
        getattr(model, what)(*([] if what == "expire" else [number]))
        assert 0 <= model.deferred <= price
    model.expire()
    assert model.deferred == 0 or model.expired == 0


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    done=st.lists(
        st.tuples(st.just("use"), st.integers(1, 250)) | st.tuples(st.just("correct"), st.integers(0, 9)),
        min_size=2,
        max_size=4,
    ),
    late=st.integers(0, 200),
)
def test_deferred_is_what_was_not_earned_whatever_happens(work_session: Session, cast: Cast, done, late) -> None:
    """The books hold the same after every step, and nothing stays deferred once the pack is over."""
    with work_session.begin_nested() as point:
        story = _Story(work_session, cast)
        for what, number in done:
            story.use(number, BILLED_AT) if what == "use" else story.correct(number)
            story.check()
        story.expire()
        if late:
            story.use(late, NEXT_YEAR + timedelta(days=1))
            story.check()
            story.expire(days=2)
        assert story.deferred() == 0
        point.rollback()
    work_session.expire_all()


class _Story:
    def __init__(self, session: Session, cast: Cast) -> None:
        self.session, self.cast, self.count = session, cast, 0
        open_books(session, cast)
        self.grant, self.sale = bought(session, cast, site=cast.plain_site, price_minor=PRICE)
        self.done: list[tuple[int, int]] = []

    def use(self, minutes: int, billed_at) -> None:
        self.count += 1
        case = accepted(self.session, self.cast, system_id=self.cast.plain_system.id)
        entry = worked(self.session, self.cast, case, minutes=minutes, start=hours_later(5 * self.count))
        bill(self.session, cut(self.session, case, "closing", now=billed_at).id, now=billed_at)
        self.done.append((case.id, entry.id))

    def correct(self, number: int) -> None:
        if not self.done:
            return
        self.count += 1
        case_id, entry_id = self.done.pop(number % len(self.done))
        at = BILLED_AT + timedelta(minutes=self.count)
        reverse_entry(self.session, self.cast.leo, entry_id, reason="Another case", now=at)
        rebill_case(self.session, case_id, reason="the work was on another case", now=at)

    def expire(self, *, days: int = 0) -> None:
        end_grants(self.session, NEXT_YEAR + timedelta(days=days))
        earn_packs(self.session, self.cast.factory.id, now=NEXT_YEAR + timedelta(days=days))
        self.check()

    def deferred(self) -> int:
        held = balances(self.session, manufacturer_id=self.cast.factory.id, currency="EUR")
        return -held.get(("deferred_revenue", self.cast.customer.id), 0)

    def check(self) -> None:
        gone = select(BillItemReversal.bill_item_id)
        used = select(func.coalesce(func.sum(PackUse.amount_minor), 0)).where(PackUse.bill_item_id.not_in(gone))
        earned = select(func.coalesce(func.sum(PackEarning.amount_minor), 0))
        assert self.deferred() == PRICE - self.session.scalar(used) - self.session.scalar(earned)
        assert check_books(self.session) == []


def test_one_incident_is_not_promised_to_two_cases_at_once(committed_database) -> None:
    """Four of five cases are used up; two people approve work of two cases at the same instant."""
    with open_session(committed_database.work_engine) as session:
        cast = build_cast(session)
        open_books(session, cast)
        grant, _ = bought(session, cast, site=cast.plain_site, pack_code="incidents_5", price_minor=145_000)
        for number in range(4):
            case = accepted(session, cast, system_id=cast.plain_system.id)
            worked(session, cast, case, minutes=30, start=hours_later(1 + number))
            reserve_hours(session, case.id, now=hours_later(9))
        waiting = []
        # Of work at the same instant none is earlier, so neither gives way to the other.
        for worker in (cast.ana, cast.eli):
            case = accepted(session, cast, system_id=cast.plain_system.id)
            worked(session, cast, case, minutes=30, start=hours_later(6), worker=worker)
            waiting.append(case.id)
        session.commit()
    start, left = threading.Barrier(2), []

    def reserve(case_id: int) -> None:
        with open_session(committed_database.work_engine) as session:
            start.wait()
            left.append(reserve_hours(session, case_id, now=hours_later(10)))
            session.commit()

    threads = [threading.Thread(target=reserve, args=[case_id]) for case_id in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_session(committed_database.work_engine) as session:
        balance = session.get_one(GrantBalance, grant.id)
        assert (balance.free_incidents, balance.reserved_incidents) == (0, 5)
    assert sorted(seconds == 0 for seconds in left) == [False, True]
