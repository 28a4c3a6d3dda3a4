"""The writing calls of the gateway, found by looking at it, and the faults that may befall each."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from portal.access import Side
from portal.db import transaction
from portal.payments import cash
from portal.payments.actions import open_account, plan_customer, retry_intent
from portal.payments.gateway import Gateway
from portal.payments.models import Intent
from portal.payments.provider import Busy, Unknown
from portal.taxes.rules.invoices import EXEMPT
from tests.payments import fault_buying, fault_going_back
from tests.payments.fault_world import Between, Crash, Scenario, World, crash

SOON, LATER, NEXT_DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(hours=25)


def writing_calls() -> list[str]:
    """Every call of the gateway that takes an idempotency key."""
    found = inspect.getmembers(Gateway, inspect.isfunction)
    return sorted(name for name, call in found if "key" in inspect.signature(call).parameters)


def _account(world: World) -> UUID:
    company = world.company(Side.INTEGRATOR)
    with transaction(world.engine) as session:
        actor = world.administrator(company)
        return open_account(session, actor, email="pay@f.example", livemode=False, now=world.now).id


def _customer(world: World) -> UUID:
    company = world.company(Side.CUSTOMER)
    with transaction(world.engine) as session:
        maker = world.cast.factory.id
        return plan_customer(session, manufacturer_id=maker, payer_id=company.id, livemode=False, now=world.now).id


def _out_of_band(world: World) -> UUID:
    """An issued invoice is paid by wire: Stripe is told."""
    invoice_id, intent_id = world.invoice()
    world.perform(intent_id)
    with transaction(world.engine) as session:
        said = {"method": "wire", "reference": f"W{invoice_id}", "received_at": world.now, "now": world.now}
        amount = session.get_one(Intent, intent_id).amount_minor
        record = cash.record_payment(session, world.cast.fay, invoice_id=invoice_id, amount_minor=amount, **said)
        receipt = cash.confirm_payment(session, world.cast.fin, record.id, livemode=False, now=world.now)
        cash.book_cash(session, receipt.id, world.now)
        wanted = select(Intent.id).where(Intent.kind == "out_of_band", Intent.document_id == str(invoice_id))
        return session.scalars(wanted).one()


def _is_open(world: World, intent_id: UUID) -> None:
    """The whole invoice is there once, with its two lines."""
    made = world.gateway.retrieve_invoice(world.object_of(intent_id))
    assert (made.status, made.total_minor) == ("open", 12_550)
    assert world.gateway.invoice_line_positions(made.id) == {"0", "1"}


def _is_paid(world: World, intent_id: UUID) -> None:
    with transaction(world.engine) as session:
        origin = session.get_one(Intent, UUID(session.get_one(Intent, intent_id).request["invoice_intent"]))
    assert world.gateway.retrieve_invoice(str(origin.provider_object_id)).status == "paid"


def _invoice(path: str, tax_status: str | None = None) -> Scenario:
    makes = {"invoice": 1, "invoiceitem": 2}
    return Scenario(lambda world: world.invoice(tax_status=tax_status)[1], path, makes, _is_open)


SCENARIOS: dict[str, Scenario] = {
    "create_account": Scenario(_account, "/v2/core/accounts", {"v2.core.account": 1}),
    "create_customer": Scenario(_customer, "/v1/customers", {"customer": 1}),
    "create_invoice": _invoice("/v1/invoices"),
    "place_payer": _invoice("/v1/customers/[^/]+", EXEMPT),
    "add_invoice_lines": _invoice("/v1/invoices/.*/add_lines"),
    "finalize_invoice": _invoice("/v1/invoices/.*/finalize"),
    "send_invoice": _invoice("/v1/invoices/.*/send"),
    "mark_paid_out_of_band": Scenario(_out_of_band, "/v1/invoices/.*/pay", {}, _is_paid),
    "create_transfer": Scenario(lambda world: world.settled(7_000), "/v1/transfers", {"transfer": 1}),
    "reverse_transfer": Scenario(
        lambda world: world.settled(-6_000), "/v1/transfers/.*/reversals", {"transfer_reversal": 1}
    ),
    **fault_going_back.SCENARIOS,
    **fault_buying.SCENARIOS,
}


@dataclass(frozen=True)
class Cell:
    """One fault at one call, while it is being tried."""

    world: World
    name: str
    scenario: Scenario
    intent_id: UUID

    def fault(self, kind: str, **details: object) -> None:
        self.world.standin.control.fault(kind, method=self.scenario.method, path=self.scenario.path, **details)

    def unknown(self, after: timedelta = timedelta()) -> None:
        with pytest.raises(Unknown):
            self.world.perform(self.intent_id, after=after)

    def succeeds(self, after: timedelta = SOON) -> None:
        assert self.world.perform(self.intent_id, after=after) == "succeeded"

    def ends_late(self, after: timedelta, *, done: bool) -> None:
        """What was done is found and kept; what was not is not done any more."""
        assert self.world.perform(self.intent_id, after=after) == ("succeeded" if done else "failed")

    def crashes(self, **at: object) -> None:
        with pytest.raises(Crash):
            self.world.perform(self.intent_id, gateway=Between(self.world.gateway, self.name, **at))  # type: ignore[arg-type]


def _refused(cell: Cell) -> None:
    """It says why, and a person has it tried again."""
    cell.fault("refuse")
    assert cell.world.perform(cell.intent_id) == "failed"
    with transaction(cell.world.engine) as session:
        assert "Stripe refused: This request is not accepted." in session.get_one(Intent, cell.intent_id).failure
        retry_intent(session, cell.world.cast.fay, cell.intent_id)
    cell.succeeds()


def _too_many(cell: Cell) -> None:
    cell.fault("rate_limit")
    with pytest.raises(Busy):
        cell.world.perform(cell.intent_id)
    cell.succeeds()


def _kept(*, execute: bool) -> Callable[[Cell], None]:
    def try_it(cell: Cell) -> None:
        cell.fault("error_kept", execute=execute)
        cell.unknown()
        if cell.scenario.too_late:
            cell.ends_late(LATER, done=execute)
            return
        if cell.scenario.path.startswith("/v1") and cell.scenario.method == "POST":
            # The answer stays the same under the key; the next version keeps successes only, a deletion takes no key.
            cell.unknown(LATER)
        cell.world.standin.control.expire_keys()
        cell.succeeds(NEXT_DAY)

    return try_it


def _once(kind: str) -> Callable[[Cell], None]:
    def try_it(cell: Cell) -> None:
        cell.fault(kind)
        cell.unknown()
        cell.succeeds()

    return try_it


def _two_at_once(cell: Cell) -> None:
    """The second finds the first at it; one call is made."""
    before = _sent(cell)
    cell.fault("hold_before")
    ended: list[str] = []
    first = threading.Thread(target=lambda: ended.append(cell.world.perform(cell.intent_id)))
    first.start()
    cell.world.standin.control.wait_until_held(seconds=30)
    assert cell.world.perform(cell.intent_id) == "elsewhere"
    cell.world.standin.control.release_held_calls()
    first.join()
    assert ended == ["succeeded"]
    assert _sent(cell) == before + 1


def _sent(cell: Cell) -> int:
    """How often this very call has been sent, repetitions under one key left out."""
    calls = cell.world.standin.control.calls(method=cell.scenario.method)
    ours = [call for call in calls if not call["replayed"] and re.fullmatch(cell.scenario.path, call["path"])]
    return len(ours)


def _crash_before(cell: Cell) -> None:
    cell.crashes(before=crash)
    cell.succeeds()


def _crash_after(cell: Cell) -> None:
    cell.crashes(after=crash)
    cell.succeeds()


def _old_key(fault: str) -> Callable[[Cell], None]:
    def try_it(cell: Cell) -> None:
        cell.fault(fault)
        cell.unknown()
        cell.world.standin.control.expire_keys()
        if cell.scenario.too_late:
            cell.ends_late(NEXT_DAY, done=fault == "lose_answer")
            return
        cell.succeeds(NEXT_DAY)

    return try_it


FAULTS: dict[str, Callable[[Cell], None]] = {
    "refused": _refused,
    "429": _too_many,
    "500": _once("error_before"),
    "500 kept": _kept(execute=False),
    "500 kept, done": _kept(execute=True),
    "lost answer": _once("lose_answer"),
    "cut off": _once("break_body"),
    "two at once": _two_at_once,
    "crash before": _crash_before,
    "crash after": _crash_after,
    "old key, done": _old_key("lose_answer"),
    "old key, not done": _old_key("error_before"),
}


# Where the call is made for the first time when a day or an hour has passed.
NOT_DONE_IN_TIME = ("500 kept", "old key, not done")


def try_call(world: World, name: str, fault: str) -> None:
    """One cell: whatever goes wrong, the effect is there once, and the books are Stripe's."""
    scenario = SCENARIOS[name]
    cell = Cell(world, name, scenario, scenario.plan(world))
    before = world.standin.control.counters()
    FAULTS[fault](cell)
    too_late = scenario.too_late if fault in NOT_DONE_IN_TIME else None
    assert world.state(cell.intent_id) == ("failed" if too_late else "succeeded")
    after = world.standin.control.counters()
    for kind, number in scenario.makes.items():
        assert after[kind] - before[kind] == (0 if too_late else number), kind
    (too_late or scenario.check)(world, cell.intent_id)
    world.assert_books()
