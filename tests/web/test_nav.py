"""The menu holds a role's pages and no others."""

import pytest

from portal.access import ROLES_OF_SIDE, Actor, OneAct, Role, Side
from portal.web import nav
from portal.web.billing.blueprint import TABS as BILLS
from portal.web.settlement.blueprint import TABS as SETTLEMENT

EVERY_PAGE = frozenset(entry.endpoint for entry in nav.ENTRIES)


def _actor(role: Role, side: Side, act: OneAct | None = None) -> Actor:
    return Actor(person_id=1, organisation_id=1, side=side, roles=frozenset({role}), act=act)


@pytest.mark.parametrize(("side", "role"), [(side, role) for side in Side for role in sorted(ROLES_OF_SIDE[side])])
def test_every_role_of_every_side_finds_its_first_page_and_no_administration_unless_it_administers(side, role):
    endpoints = [entry.endpoint for entry in nav.menu(_actor(role, side), EVERY_PAGE)]
    assert endpoints[0] == "today.today"
    assert ("people.people" in endpoints) == (role is Role.ADMINISTRATOR)
    assert len(endpoints) <= 11


def test_a_page_that_does_not_exist_is_not_in_the_menu():
    assert nav.menu(_actor(Role.ENGINEER, Side.MANUFACTURER), frozenset({"cases.queue"})) == (
        next(entry for entry in nav.ENTRIES if entry.endpoint == "cases.queue"),
    )


def test_only_the_manufacturers_finance_sees_its_ledger():
    integrators = nav.menu(_actor(Role.FINANCE, Side.INTEGRATOR), EVERY_PAGE)
    assert "ledger.accounts" not in [entry.endpoint for entry in integrators]


def test_a_mailed_link_has_no_menu():
    act = OneAct("accept_custody", "case", "1", 1)
    assert nav.menu(_actor(Role.ENGINEER, Side.MANUFACTURER, act), EVERY_PAGE) == ()


@pytest.mark.parametrize(
    ("side", "role", "endpoint", "expected"),
    [
        (Side.MANUFACTURER, Role.FINANCE, "adjustments.chargebacks", "billing.invoices"),
        (Side.MANUFACTURER, Role.FINANCE, "settlement.statement", "settlement.statements"),
        (Side.MANUFACTURER, Role.FINANCE, "settlement.holds", "settlement.periods"),
        (Side.INTEGRATOR, Role.FINANCE, "settlement.contest", "settlement.statements"),
        (Side.MANUFACTURER, Role.ENGINEER, "cases.case", "cases.mine"),
        (Side.MANUFACTURER, Role.ENGINEER, "cases.queue", "cases.queue"),
        (Side.INTEGRATOR, Role.TECHNICIAN, "cases.escalate_system", "cases.escalate"),
        (Side.CUSTOMER, Role.BUYER, "shop.item", "shop.shop"),
        (Side.INTEGRATOR, Role.FINANCE, "shop.offer", "shop.bought"),
        (Side.MANUFACTURER, Role.ENGINEER, "billing.item", None),
        (Side.MANUFACTURER, Role.ENGINEER, "health.healthz", None),
        (Side.MANUFACTURER, Role.ENGINEER, None, None),
    ],
)
def test_a_page_belongs_under_an_entry_that_its_reader_has(side, role, endpoint, expected):
    assert nav.section(endpoint, nav.menu(_actor(role, side), EVERY_PAGE)) == expected


@pytest.mark.parametrize("pages", [BILLS, SETTLEMENT])
@pytest.mark.parametrize(("side", "role"), [(side, role) for side in Side for role in sorted(ROLES_OF_SIDE[side])])
def test_tabs_stand_in_one_row_and_what_has_no_room_in_the_list_behind_it(pages, side, role):
    actor = _actor(role, side)
    bar = nav.tab_bar(actor, pages)
    assert [*bar.row, *bar.more] == [(label, endpoint) for label, endpoint, rule in pages if rule(actor)]
    assert len(bar.row) <= nav.TABS_IN_ROW + 1
    assert len(bar.more) != 1
