"""What each side reads of a bill under row security: its explanation, shares or not, invoices, questions, preview."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.billing import reading
from portal.billing.actions import answer, ask, cut, gather_invoices
from portal.billing.models import BillItem
from portal.billing.preview import case_money_preview
from portal.billing.queries import waiting_cuts
from portal.cases.models import SupportCase
from portal.contracts.blocks import TaskClass
from portal.db import Scope
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.ledger.models import Period
from tests.support.beginnings import begins_with
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cases import accepted
from tests.support.cast import Cast, hours_later

Open = Callable[[Scope | None], Session]


def settled_case(session: Session, cast: Cast) -> SupportCase:
    """A paid case that both companies worked on, resolved and confirmed."""
    open_books(session, cast)
    made = paid_case(session, cast)
    worked(session, cast, made, minutes=65)
    worked(session, cast, made, minutes=20, worker=cast.tom, start=hours_later(5))
    settled(session, cast, made)
    return made


pytestmark = begins_with(settled_case)


@pytest.fixture
def case(begun: SupportCase) -> SupportCase:
    return begun


@pytest.fixture
def item(work_session: Session, case: SupportCase) -> BillItem:
    made = billed(work_session, case)
    work_session.commit()
    return made


def as_page(web_session: Open, actor: Actor) -> Session:
    return web_session(Scope(actor.organisation_id, actor.person_id))


def test_finance_follows_an_item_to_the_note_and_to_the_tranche(web_session: Open, cast: Cast, item: BillItem) -> None:
    tree = reading.item_tree(as_page(web_session, cast.fay), cast.fay, item.id)
    assert (tree.row.payer_name, tree.row.is_live, tree.row.invoice_name) == ("Klinikum Ostufer", True, None)
    pieces = [piece for line in tree.lines for piece in line.pieces]
    assert {piece.entry.note for piece in pieces} == {"Looked into the door controller"}
    assert sum(piece.segment.billed_seconds for piece in pieces) == 5_400
    assert tree.shares is not None
    assert {share.party_name for share in tree.shares} == {"Nordlicht Access", "Kessler Sicherheit"}
    assert any("worked time" in sentence for share in tree.shares for sentence in share.sentences)
    assert any("rounded up to 15 min" in sentence for sentence in tree.sentences)


@pytest.mark.parametrize("name", ["tom", "bea", "flo", "ana", "cal"])
def test_nobody_else_sees_shares(web_session: Open, cast: Cast, item: BillItem, name: str) -> None:
    actor = getattr(cast, name)
    assert reading.item_tree(as_page(web_session, actor), actor, item.id).shares is None


@pytest.mark.parametrize("name", ["sam", "eve", "bob"])
def test_strangers_find_nothing(web_session: Open, cast: Cast, item: BillItem, name: str) -> None:
    actor = getattr(cast, name)
    session = as_page(web_session, actor)
    assert reading.bill_items(session, actor) == []
    with pytest.raises(NotFound):
        reading.item_tree(session, actor, item.id)


def test_items_are_listed_by_case_and_page(web_session: Open, cast: Cast, item: BillItem) -> None:
    session = as_page(web_session, cast.mia)
    assert [row.item.id for row in reading.bill_items(session, cast.mia, case_id=item.case_id)] == [item.id]
    assert reading.bill_items(session, cast.mia, before_id=item.id) == []


def test_an_invoice_is_read_by_its_payer_and_issuer(
    work_session: Session, web_session: Open, cast: Cast, item: BillItem
) -> None:
    period_id = work_session.query(Period.id).filter_by(manufacturer_id=cast.factory.id).scalar()
    (made,) = gather_invoices(work_session, period_id, now=BILLED_AT)
    work_session.commit()
    for actor in (cast.flo, cast.fay):
        session = as_page(web_session, actor)
        row, lines = reading.invoice(session, actor, made.id)
        assert (row.open_minor, [line.amount_minor for line in lines]) == (22_500, [22_500])
        assert [each.invoice.id for each in reading.invoices(session, actor)] == [made.id]
        assert reading.invoices(session, actor, before_id=made.id) == []
        assert reading.item_tree(session, actor, item.id).row.invoice_name == made.name
    with pytest.raises(NotFound):
        reading.invoice(as_page(web_session, cast.ivo), cast.ivo, made.id)
    with pytest.raises(NotAllowed):
        reading.invoices(as_page(web_session, cast.tom), cast.tom)


def test_the_payer_asks_about_a_line_and_finance_answers(web_session: Open, cast: Cast, item: BillItem) -> None:
    buyer, finance = as_page(web_session, cast.bea), as_page(web_session, cast.fay)
    line = reading.item_tree(buyer, cast.bea, item.id).lines[0].line
    asked = ask(buyer, cast.bea, line.id, " Why two people? ", now=BILLED_AT)
    assert (asked.question, asked.answer_by > BILLED_AT + timedelta(days=5)) == ("Why two people?", True)
    with pytest.raises(Conflict):
        ask(buyer, cast.bea, line.id, "Again", now=BILLED_AT)
    buyer.commit()
    given = answer(finance, cast.fay, asked.id, "One drove there.", now=BILLED_AT)
    finance.commit()
    with pytest.raises(Conflict):
        answer(finance, cast.fay, asked.id, "Twice", now=BILLED_AT)
    (question,) = reading.item_tree(buyer, cast.bea, item.id).lines[0].questions
    assert question[1] is not None
    assert question[1].id == given.id


def test_questions_are_refused_to_others_and_without_words(web_session: Open, cast: Cast, item: BillItem) -> None:
    session = as_page(web_session, cast.bea)
    line = reading.item_tree(session, cast.bea, item.id).lines[0].line
    with pytest.raises(Invalid):
        ask(session, cast.bea, line.id, "  ", now=BILLED_AT)
    with pytest.raises(Invalid):
        ask(session, cast.bea, line.id, "x" * 2_001, now=BILLED_AT)
    with pytest.raises(NotAllowed):
        ask(as_page(web_session, cast.mia), cast.mia, line.id, "Why?", now=BILLED_AT)
    with pytest.raises(NotFound):
        ask(as_page(web_session, cast.bob), cast.bob, line.id, "Why?", now=BILLED_AT)
    asked = ask(session, cast.bea, line.id, "Why?", now=BILLED_AT)
    with pytest.raises(NotFound):
        answer(session, cast.bea, asked.id, "Because", now=BILLED_AT)
    session.commit()
    with pytest.raises(NotAllowed):
        answer(as_page(web_session, cast.ana), cast.ana, asked.id, "Because", now=BILLED_AT)


def test_the_preview_is_what_the_bill_comes_to(
    work_session: Session, web_session: Open, cast: Cast, case: SupportCase
) -> None:
    shown = {}
    for name in ("fay", "mia", "tom", "bea"):
        actor = getattr(cast, name)
        shown[name] = case_money_preview(as_page(web_session, actor), actor, case, now=BILLED_AT)
    item = billed(work_session, case)
    assert {each.payers[0].amount_minor for each in shown.values()} == {item.amount_minor}
    assert {each.payers[0].authorized_minor for each in shown.values()} == {100_000}
    assert shown["tom"].shares is None is shown["bea"].shares
    assert shown["fay"].shares is not None
    assert sum(share.amount_minor for share in shown["fay"].shares) == item.amount_minor


@begins_with(None)
def test_the_preview_counts_free_hours_and_unapproved_work(
    work_session: Session, web_session: Open, cast: Cast
) -> None:
    open_books(work_session, cast)
    case = accepted(work_session, cast)
    worked(work_session, cast, case, minutes=40, approved=False)
    work_session.commit()
    for actor in (cast.ana, cast.tom, cast.bea):
        preview = case_money_preview(as_page(web_session, actor), actor, case, now=BILLED_AT)
        assert (preview.included_seconds, preview.unapproved_seconds) == (2_700, 2_400)
        assert (preview.payers[0].amount_minor, [each.code for each in preview.blockers]) == (0, ["unapproved_time"])


@begins_with(None)
def test_how_to_help_is_the_integrators_and_no_customer_reads_it(
    work_session: Session, web_session: Open, cast: Cast
) -> None:
    open_books(work_session, cast)
    work_session.execute(text("UPDATE certificate SET expires_on = issued_on + 1"))
    case = accepted(work_session, cast, system_id=cast.plain_system.id, task_class=TaskClass.HOW_TO)
    worked(work_session, cast, case, minutes=30, task_class="how_to")
    settled(work_session, cast, case)
    work_session.commit()
    factory = case_money_preview(as_page(web_session, cast.fay), cast.fay, case, now=BILLED_AT)
    assert [each.payer for each in factory.payers] == ["integrator"]
    customer = case_money_preview(as_page(web_session, cast.bea), cast.bea, case, now=BILLED_AT)
    assert [(each.payer, each.lines) for each in customer.payers] == [("customer", ())]
    item = billed(work_session, case)
    work_session.commit()
    assert item.payer_id == cast.integrator.id
    with pytest.raises(NotFound):
        reading.item_tree(as_page(web_session, cast.flo), cast.flo, item.id)


def test_a_cut_that_is_held_is_on_the_work_list(work_session: Session, cast: Cast, case: SupportCase) -> None:
    worked(work_session, cast, case, minutes=5, start=hours_later(20), approved=False)
    made = cut(work_session, case, "closing", now=BILLED_AT)
    assert [each.cut_id for each in waiting_cuts(work_session, cast.factory.id)] == [made.id]
