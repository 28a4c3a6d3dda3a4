"""Directory acts: who may, what is refused at the field, who learns of whom, and what a change of integrator leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.audit.models import AuditEntry
from portal.db import Scope
from portal.directory import actions, queries
from portal.directory.actions import NewOrganisation, NewSystem, Side
from portal.directory.models import Organisation, ServiceRelationship
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.support.cast import NOW, Cast, everything

TODAY = NOW.date()


def test_system_is_seen_by_its_three_companies_when_recorded(work_session: Session, cast: Cast) -> None:
    for actor in (cast.ana, cast.tom, cast.bea):
        assert queries.system(work_session, actor, cast.system.id, TODAY).serial == "NA-1001"


@pytest.mark.parametrize("stranger", ["sam", "eve", "bob"])
def test_system_is_not_found_when_a_stranger_asks(work_session: Session, cast: Cast, stranger: str) -> None:
    with pytest.raises(NotFound):
        queries.system(work_session, getattr(cast, stranger), cast.system.id, TODAY)


@pytest.mark.parametrize("stranger", ["sam", "eve", "bob"])
def test_row_security_hides_companies_from_strangers(web_session, cast: Cast, stranger: str) -> None:
    actor = getattr(cast, stranger)
    session = web_session(Scope(actor.organisation_id, actor.person_id))
    seen = set(session.scalars(select(Organisation.code)))
    assert seen.isdisjoint({"KLI", "KES"})


def test_partners_know_each_other_under_row_security(web_session, cast: Cast) -> None:
    session = web_session(Scope(cast.tom.organisation_id, cast.tom.person_id))
    assert set(session.scalars(select(Organisation.code))) == {"NOR", "KES", "KLI"}


def test_technician_with_a_site_set_sees_only_its_systems(work_session: Session, cast: Cast) -> None:
    limited = replace(cast.tom, site_ids=frozenset({cast.plain_site.id}))
    found = queries.systems_by_words(work_session, limited, "NA-", TODAY)
    assert [system.serial for system in found] == ["NA-2002"]


def test_percent_sign_matches_itself_when_searching(work_session: Session, cast: Cast) -> None:
    assert queries.systems_by_words(work_session, cast.tom, "%", TODAY) == []


def test_new_integrator_takes_over_when_the_customer_writes(work_session: Session, cast: Cast) -> None:
    actions.begin_service(
        work_session,
        cast.adam,
        site_id=cast.site.id,
        product_line_id=cast.product_line.id,
        integrator_id=cast.other_integrator.id,
        from_on=date(2026, 4, 1),
        letter_reference="Letter of 1 March",
        now=NOW,
    )
    who = {
        day: queries.servicing_integrator_id(
            work_session, site_id=cast.site.id, product_line_id=cast.product_line.id, on=day
        )
        for day in (date(2026, 3, 31), date(2026, 4, 1))
    }
    assert who == {date(2026, 3, 31): cast.integrator.id, date(2026, 4, 1): cast.other_integrator.id}
    jobs = {row["task_name"] for row in everything(work_session, "procrastinate_jobs")}
    assert {"hand_over_history", "notify_service_change"} <= jobs


def test_change_is_refused_when_no_letter_is_named(work_session: Session, cast: Cast) -> None:
    with pytest.raises(Invalid) as refused:
        actions.begin_service(
            work_session,
            cast.adam,
            site_id=cast.site.id,
            product_line_id=cast.product_line.id,
            integrator_id=cast.other_integrator.id,
            from_on=date(2026, 4, 1),
            letter_reference=" ",
            now=NOW,
        )
    assert set(refused.value.fields) == {"letter_reference"}


def test_change_is_refused_when_it_begins_before_the_present_one(work_session: Session, cast: Cast) -> None:
    with pytest.raises(Conflict):
        actions.begin_service(
            work_session,
            cast.adam,
            site_id=cast.site.id,
            product_line_id=cast.product_line.id,
            integrator_id=cast.other_integrator.id,
            from_on=date(2026, 1, 1),
            letter_reference="Letter",
            now=NOW,
        )


def test_database_refuses_two_integrators_at_once(work_session: Session, cast: Cast) -> None:
    work_session.add(
        ServiceRelationship(
            site_id=cast.site.id,
            product_line_id=cast.product_line.id,
            manufacturer_id=cast.factory.id,
            integrator_id=cast.other_integrator.id,
            customer_id=cast.customer.id,
            from_on=date(2026, 2, 1),
            to_on=None,
            letter_reference="Letter",
            created_at=NOW,
        )
    )
    with pytest.raises(IntegrityError, match="ex_service_relationship_one_integrator"):
        work_session.flush()


@pytest.mark.parametrize("name", ["tom", "bea", "ana", "eve"])
def test_organisation_is_refused_when_others_add_it(work_session: Session, cast: Cast, name: str) -> None:
    new = NewOrganisation(Side.CUSTOMER, "NEW", "New", "Europe/Berlin", "DE", "EUR")
    with pytest.raises(NotAllowed):
        actions.add_organisation(work_session, getattr(cast, name), new, NOW)


def test_organisation_is_refused_at_each_wrong_field(work_session: Session, cast: Cast) -> None:
    new = NewOrganisation(Side.CUSTOMER, "new!", " ", "Mars/Olympus", "DE", "Euro")
    with pytest.raises(Invalid) as refused:
        actions.add_organisation(work_session, cast.adam, new, NOW)
    assert set(refused.value.fields) == {"code", "name", "zone", "currency"}


def test_organisation_is_refused_when_the_code_is_taken(work_session: Session, cast: Cast) -> None:
    new = NewOrganisation(Side.CUSTOMER, "KLI", "Another", "Europe/Berlin", "DE", "EUR")
    with pytest.raises(Invalid) as refused:
        actions.add_organisation(work_session, cast.adam, new, NOW)
    assert set(refused.value.fields) == {"code"}


def test_serial_is_refused_when_it_is_taken(work_session: Session, cast: Cast) -> None:
    new = NewSystem(cast.site.id, cast.product_line.id, "NA-1001", "Again")
    with pytest.raises(Invalid) as refused:
        actions.add_system(work_session, cast.adam, new, NOW)
    assert set(refused.value.fields) == {"serial"}


def test_every_act_is_audited(work_session: Session, cast: Cast) -> None:
    actions.add_product_line(work_session, cast.adam, code="Reader", name="Readers", now=NOW)
    last = work_session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert last is not None
    assert (last.act, last.person_id, last.details) == ("add_product_line", cast.adam.person_id, {"code": "Reader"})


def test_punch_item_is_ticked_off_once(work_session: Session, cast: Cast) -> None:
    item = actions.add_punch_item(
        work_session, cast.mia, cast.system, integrator_id=cast.integrator.id, description="Label door 4", now=NOW
    )
    assert queries.open_punch_items(work_session, cast.system.id) == [item]
    actions.close_punch_item(work_session, cast.mia, item.id, NOW)
    actions.close_punch_item(work_session, cast.mia, item.id, NOW)
    assert queries.open_punch_items(work_session, cast.system.id) == []


def test_the_customers_letter_may_leave_nobody_servicing(work_session: Session, cast: Cast) -> None:
    where = {"site_id": cast.site.id, "product_line_id": cast.product_line.id}
    said = {"to_on": date(2026, 4, 1), "letter_reference": "Letter of 1 March", "now": NOW}
    for changed, refusal in (({"letter_reference": " "}, Invalid), ({"site_id": 0}, NotFound)):
        with pytest.raises(refusal):
            actions.end_service(work_session, cast.adam, **{**where, **said, **changed})
    with pytest.raises(NotAllowed):
        actions.end_service(work_session, cast.mia, **where, **said)
    assert actions.end_service(work_session, cast.adam, **where, **said).to_on == date(2026, 4, 1)
    jobs = {row["task_name"] for row in everything(work_session, "procrastinate_jobs")}
    assert "notify_service_end" in jobs
    # The form sent twice: it is set already.
    with pytest.raises(Conflict):
        actions.end_service(work_session, cast.adam, **where, **said)
    found = {
        day: queries.servicing_integrator_id(work_session, **where, on=day)
        for day in (date(2026, 3, 31), date(2026, 4, 1))
    }
    assert found == {date(2026, 3, 31): cast.integrator.id, date(2026, 4, 1): None}
