"""Who may do what: every role of every side against every predicate; what is not in the table is refused."""

import pytest

from portal import access
from portal.access import Actor, CaseParties, OneAct, Role, Side

# Organisations of the cast: the manufacturer Nor, the integrator Kessler, the customer St Anna, and a stranger.
NOR, KESSLER, ST_ANNA, STRANGER = 1, 2, 3, 4
SITE, OTHER_SITE = 10, 11
OWN = {Side.MANUFACTURER: NOR, Side.INTEGRATOR: KESSLER, Side.CUSTOMER: ST_ANNA}
PARTIES = CaseParties(NOR, KESSLER, ST_ANNA, SITE)

CAST = [(side, role) for side, roles in access.ROLES_OF_SIDE.items() for role in sorted(roles)]

COMPANY_FINANCE = {(Side.MANUFACTURER, Role.FINANCE), (Side.INTEGRATOR, Role.FINANCE)}
LEADS = {(Side.MANUFACTURER, Role.SUPPORT_LEAD), (Side.INTEGRATOR, Role.SERVICE_MANAGER)}
SERVICE_PEOPLE = LEADS | {(Side.MANUFACTURER, Role.ENGINEER), (Side.INTEGRATOR, Role.TECHNICIAN)}

ALLOWED = {
    access.may_open_case: SERVICE_PEOPLE | {(Side.CUSTOMER, Role.CONTACT), (Side.CUSTOMER, Role.BUYER)},
    access.may_work_cases: SERVICE_PEOPLE,
    access.may_approve_time: LEADS,
    access.may_authorize_spending: {
        (Side.CUSTOMER, Role.BUYER),
        (Side.INTEGRATOR, Role.SERVICE_MANAGER),
        (Side.INTEGRATOR, Role.FINANCE),
    },
    access.may_see_shares: LEADS
    | COMPANY_FINANCE
    | {(Side.MANUFACTURER, Role.ADMINISTRATOR), (Side.INTEGRATOR, Role.ADMINISTRATOR)},
    access.may_see_prices: set(CAST),
    access.may_handle_finance: COMPANY_FINANCE | {(Side.CUSTOMER, Role.FINANCE)},
    access.may_administer: {(side, Role.ADMINISTRATOR) for side in Side},
    access.may_challenge_split: LEADS | COMPANY_FINANCE,
}


def actor(side: Side, *roles: Role, **changes: object) -> Actor:
    values = {"person_id": 100, "organisation_id": OWN[side], "side": side, "roles": frozenset(roles)}
    return Actor(**{**values, **changes})


@pytest.mark.parametrize(("side", "role"), CAST)
@pytest.mark.parametrize("predicate", ALLOWED, ids=lambda predicate: predicate.__name__)
def test_a_role_may_do_what_the_table_says_and_nothing_else(predicate, side, role):
    assert predicate(actor(side, role)) is ((side, role) in ALLOWED[predicate])


def test_every_predicate_is_in_the_table():
    predicates = {name for name in vars(access) if name.startswith("may_")} - {"may_do"}
    assert predicates == {predicate.__name__ for predicate in ALLOWED}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("predicate", ALLOWED, ids=lambda predicate: predicate.__name__)
def test_without_a_role_nothing_is_allowed(predicate, side):
    assert not predicate(actor(side))


@pytest.mark.parametrize(("side", "role"), CAST)
@pytest.mark.parametrize("predicate", ALLOWED, ids=lambda predicate: predicate.__name__)
def test_a_mailed_link_lends_no_role(predicate, side, role):
    assert not predicate(actor(side, role, act=OneAct("authorize", "case", "1", 1)))


@pytest.mark.parametrize("predicate", ALLOWED, ids=lambda predicate: predicate.__name__)
def test_operating_the_deployment_adds_no_role(predicate):
    assert not predicate(actor(Side.MANUFACTURER, is_operator=True))


def test_several_roles_add_up():
    both = actor(Side.MANUFACTURER, Role.ENGINEER, Role.FINANCE)
    assert access.may_work_cases(both)
    assert access.may_handle_finance(both)
    assert not access.may_approve_time(both)
    assert both.has(Role.ADMINISTRATOR, Role.FINANCE)
    assert not both.has()


@pytest.mark.parametrize("side", Side)
def test_a_company_of_the_case_is_party_to_it(side):
    assert access.is_party(actor(side), PARTIES)
    assert not access.is_party(actor(side, organisation_id=STRANGER), PARTIES)


@pytest.mark.parametrize("side", Side)
def test_a_company_on_another_side_is_no_party(side):
    elsewhere = next(organisation for other, organisation in OWN.items() if other is not side)
    assert not access.is_party(actor(side, organisation_id=elsewhere), PARTIES)


def test_a_person_confined_to_sites_is_party_there_only():
    assert access.is_party(actor(Side.CUSTOMER, site_ids=frozenset({SITE, OTHER_SITE})), PARTIES)
    assert not access.is_party(actor(Side.CUSTOMER, site_ids=frozenset({OTHER_SITE})), PARTIES)
    assert not access.is_party(actor(Side.CUSTOMER, site_ids=frozenset()), PARTIES)


def test_under_house_terms_the_manufacturer_alone_is_both_companies():
    parties = CaseParties(NOR, NOR, ST_ANNA, SITE)
    assert access.is_party(actor(Side.MANUFACTURER), parties)
    assert not access.is_party(actor(Side.INTEGRATOR), parties)


@pytest.mark.parametrize(
    ("act", "object_type", "object_id", "version", "allowed"),
    [
        ("authorize", "request", "7", 2, True),
        ("refuse", "request", "7", 2, False),
        ("authorize", "case", "7", 2, False),
        ("authorize", "request", "8", 2, False),
        ("authorize", "request", "7", 3, False),
    ],
)
def test_a_mailed_link_does_one_act_on_one_version(act, object_type, object_id, version, allowed):
    linked = actor(Side.CUSTOMER, Role.BUYER, act=OneAct("authorize", "request", "7", 2))
    assert access.may_do(linked, act, object_type, object_id, version=version) is allowed


def test_somebody_signed_in_has_no_link():
    assert not access.may_do(actor(Side.CUSTOMER, Role.BUYER), "authorize", "request", "7", version=2)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("role", Role)
def test_a_role_is_given_only_where_its_side_has_it(side, role):
    assert access.allowed_roles(side, [role]) is ((side, role) in CAST)
    assert not access.allowed_roles(side, [role, *(set(Role) - access.ROLES_OF_SIDE[side])])


def test_a_membership_needs_a_role():
    assert not access.allowed_roles(Side.CUSTOMER, [])
    assert access.allowed_roles(Side.CUSTOMER, [Role.BUYER, Role.FINANCE, Role.BUYER])
