"""The state machine: who may do what when, and what follows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.access import Actor, Audience, OneAct, Role, Side
from portal.cases.rules import (
    TRANSITIONS,
    Offer,
    Situation,
    Standing,
    State,
    Verb,
    check,
    company_of,
    custody_after,
    may,
    may_as,
    other_company,
    possible_verbs,
    reply_accepts,
    standings_of,
    state_after,
)
from portal.cases.words import sentence
from portal.contracts.blocks import Company
from portal.errors import Conflict, NotAllowed

MAKER, INTEGRATOR = Company.MANUFACTURER, Company.INTEGRATOR


def actor(side, *roles, act=None):
    return Actor(1, 1, side, frozenset(roles), act=act)


ENGINEER = actor(Side.MANUFACTURER, Role.ENGINEER)
LEAD = actor(Side.MANUFACTURER, Role.SUPPORT_LEAD)
TECHNICIAN = actor(Side.INTEGRATOR, Role.TECHNICIAN)
SERVICE = actor(Side.INTEGRATOR, Role.SERVICE_MANAGER)
FINANCE = actor(Side.INTEGRATOR, Role.FINANCE)
CONTACT = actor(Side.CUSTOMER, Role.CONTACT)
BUYER = actor(Side.CUSTOMER, Role.BUYER)

WITH_INTEGRATOR = Situation(State.OPEN, INTEGRATOR)
OFFERED = replace(WITH_INTEGRATOR, state=State.OFFERED, offer=Offer(INTEGRATOR, MAKER))
WITH_FACTORY = Situation(State.OPEN, MAKER)
HANDED_BACK = replace(WITH_FACTORY, state=State.OFFERED, offer=Offer(MAKER, INTEGRATOR))
ASKED = replace(OFFERED, state=State.WAITING, question_by=MAKER)
RESOLVED = Situation(State.RESOLVED, MAKER, resolution_by=MAKER, within_reopen_window=True)
CLOSED = replace(RESOLVED, state=State.CLOSED, within_reopen_window=False)

ALLOWED = [
    (Verb.OFFER, WITH_INTEGRATOR, TECHNICIAN),
    (Verb.WITHDRAW_OFFER, OFFERED, TECHNICIAN),
    (Verb.ACCEPT, OFFERED, ENGINEER),
    (Verb.DECLINE, OFFERED, ENGINEER),
    (Verb.ASK_INFORMATION, OFFERED, ENGINEER),
    (Verb.ASK_INFORMATION, WITH_INTEGRATOR, TECHNICIAN),
    (Verb.ANSWER, ASKED, TECHNICIAN),
    (Verb.ANSWER, ASKED, CONTACT),
    (Verb.WITHDRAW_QUESTION, ASKED, ENGINEER),
    (Verb.ACCEPT, ASKED, ENGINEER),
    (Verb.HAND_BACK, WITH_FACTORY, ENGINEER),
    (Verb.ACCEPT, HANDED_BACK, TECHNICIAN),
    (Verb.TAKE_BACK, WITH_FACTORY, TECHNICIAN),
    (Verb.RESOLVE, WITH_FACTORY, ENGINEER),
    (Verb.RESOLVE, OFFERED, TECHNICIAN),
    (Verb.CONFIRM, RESOLVED, TECHNICIAN),
    (Verb.CONFIRM, CLOSED, SERVICE),
    (Verb.CONFIRM, RESOLVED, None),
    (Verb.CHALLENGE, RESOLVED, SERVICE),
    (Verb.CHALLENGE, CLOSED, FINANCE),
    (Verb.CHALLENGE_CAUSE, RESOLVED, BUYER),
    (Verb.CHALLENGE_CAUSE, RESOLVED, SERVICE),
    (Verb.CONFIRM_FIXED, RESOLVED, CONTACT),
    (Verb.REOPEN, RESOLVED, CONTACT),
    (Verb.REOPEN, RESOLVED, TECHNICIAN),
    (Verb.CLOSE, RESOLVED, None),
    (Verb.CHANGE_SEVERITY, OFFERED, ENGINEER),
    (Verb.CHANGE_SEVERITY, OFFERED, TECHNICIAN),
    (Verb.CHALLENGE_SEVERITY, WITH_FACTORY, TECHNICIAN),
    (Verb.CHALLENGE_SEVERITY, WITH_FACTORY, CONTACT),
    (Verb.CHANGE_TASK_CLASS, RESOLVED, LEAD),
    (Verb.CORRECT_CIRCUMSTANCES, RESOLVED, ENGINEER),
    (Verb.KEEP_PROMISE, OFFERED, ENGINEER),
    (Verb.NOTE, CLOSED, CONTACT),
    (Verb.SET_REFERENCE, CLOSED, TECHNICIAN),
]

REFUSED = [
    (Verb.OFFER, OFFERED, TECHNICIAN, Conflict, "offered already"),
    (Verb.OFFER, WITH_FACTORY, TECHNICIAN, Conflict, "holds the case"),
    (Verb.OFFER, WITH_FACTORY, ENGINEER, Conflict, "hands it back"),
    (Verb.OFFER, replace(WITH_INTEGRATOR, has_integrator=False), TECHNICIAN, Conflict, "No integrator"),
    (Verb.HAND_BACK, WITH_INTEGRATOR, TECHNICIAN, Conflict, "hands it back"),
    (Verb.HAND_BACK, HANDED_BACK, ENGINEER, Conflict, "offered already"),
    (Verb.WITHDRAW_OFFER, OFFERED, ENGINEER, Conflict, "offered nothing"),
    (Verb.ACCEPT, WITH_INTEGRATOR, ENGINEER, Conflict, "not offered"),
    (Verb.ACCEPT, OFFERED, TECHNICIAN, Conflict, "not offered"),
    (Verb.ACCEPT, OFFERED, CONTACT, NotAllowed, "not offered"),
    (Verb.ACCEPT, OFFERED, actor(Side.MANUFACTURER, Role.FINANCE), NotAllowed, "roles"),
    (Verb.ACCEPT, RESOLVED, ENGINEER, Conflict, "The case is resolved"),
    (Verb.ASK_INFORMATION, ASKED, ENGINEER, Conflict, "The case is waiting"),
    (Verb.WITHDRAW_QUESTION, ASKED, TECHNICIAN, Conflict, "asked nothing"),
    (Verb.TAKE_BACK, WITH_INTEGRATOR, TECHNICIAN, Conflict, "already"),
    (Verb.TAKE_BACK, WITH_INTEGRATOR, ENGINEER, NotAllowed, "Only the integrator"),
    (Verb.RESOLVE, WITH_FACTORY, TECHNICIAN, Conflict, "holds the case"),
    (Verb.RESOLVE, WITH_FACTORY, CONTACT, NotAllowed, "holds the case"),
    (Verb.CONFIRM, RESOLVED, ENGINEER, Conflict, "other company"),
    (Verb.CONFIRM, replace(RESOLVED, answered=True), TECHNICIAN, Conflict, "answered already"),
    (Verb.CONFIRM, replace(RESOLVED, answered=True), None, Conflict, "answered already"),
    (Verb.CHALLENGE, replace(RESOLVED, answered=True), SERVICE, Conflict, "answered already"),
    (Verb.CHALLENGE, RESOLVED, TECHNICIAN, NotAllowed, "roles"),
    (Verb.CHALLENGE, RESOLVED, BUYER, NotAllowed, "other company"),
    (Verb.CHALLENGE, RESOLVED, None, Conflict, "other company"),
    (Verb.CONFIRM_FIXED, RESOLVED, TECHNICIAN, NotAllowed, "contact"),
    (Verb.REOPEN, replace(RESOLVED, within_reopen_window=False), CONTACT, Conflict, "linked case"),
    (Verb.REOPEN, CLOSED, CONTACT, Conflict, "The case is closed"),
    (Verb.CLOSE, RESOLVED, ENGINEER, NotAllowed, "reopen window"),
    (Verb.CLOSE, WITH_FACTORY, None, Conflict, "The case is open"),
    (Verb.CHANGE_TASK_CLASS, WITH_FACTORY, TECHNICIAN, NotAllowed, "factory"),
    (Verb.CORRECT_CIRCUMSTANCES, WITH_FACTORY, TECHNICIAN, NotAllowed, "factory corrects"),
    (Verb.CHANGE_SEVERITY, RESOLVED, ENGINEER, Conflict, "resolved"),
    (Verb.CHALLENGE_SEVERITY, WITH_FACTORY, ENGINEER, NotAllowed, "factory has set"),
    (Verb.KEEP_PROMISE, WITH_FACTORY, TECHNICIAN, NotAllowed, "promise of its own"),
]


@pytest.mark.parametrize(("verb", "situation", "who"), ALLOWED)
def test_step_is_taken_when_state_standing_and_role_allow_it(verb, situation, who):
    assert may(verb, situation, who).allowed
    check(verb, situation, who)
    if who is not None:
        assert verb in possible_verbs(situation, who)


@pytest.mark.parametrize(("verb", "situation", "who", "family", "words"), REFUSED)
def test_step_is_refused_with_its_reason_when_something_forbids_it(verb, situation, who, family, words):
    with pytest.raises(family, match=words):
        check(verb, situation, who)
    if who is not None:
        assert verb not in possible_verbs(situation, who)


def test_every_verb_can_be_taken_by_somebody():
    assert {verb for verb, _, _ in ALLOWED} == set(Verb) == set(TRANSITIONS)


def test_mailed_link_needs_no_role_because_it_is_bound_to_its_act():
    linked = actor(Side.MANUFACTURER, act=OneAct("accept", "case", "1", 1))
    assert may(Verb.ACCEPT, OFFERED, linked).allowed
    assert not may(Verb.ACCEPT, WITH_INTEGRATOR, linked).allowed


def test_import_moves_a_case_for_a_company_without_a_person():
    assert may_as(Verb.ACCEPT, OFFERED, MAKER).allowed
    assert may_as(Verb.CONFIRM_FIXED, RESOLVED, None).allowed
    assert not may_as(Verb.ACCEPT, OFFERED, None).ever


def test_only_acceptance_and_taking_back_move_custody():
    assert custody_after(Verb.ACCEPT, OFFERED) is MAKER
    assert custody_after(Verb.ACCEPT, HANDED_BACK) is INTEGRATOR
    assert custody_after(Verb.TAKE_BACK, WITH_FACTORY) is INTEGRATOR
    for verb in set(Verb) - {Verb.ACCEPT, Verb.TAKE_BACK}:
        assert custody_after(verb, OFFERED) is INTEGRATOR
    assert custody_after(Verb.ACCEPT, WITH_FACTORY) is MAKER


@pytest.mark.parametrize(
    ("verb", "situation", "state"),
    [
        (Verb.ASK_INFORMATION, OFFERED, State.WAITING),
        (Verb.OFFER, WITH_INTEGRATOR, State.OFFERED),
        (Verb.OFFER, replace(WITH_INTEGRATOR, state=State.WAITING), State.WAITING),
        (Verb.ANSWER, ASKED, State.OFFERED),
        (Verb.ANSWER, replace(ASKED, offer=None), State.OPEN),
        (Verb.WITHDRAW_QUESTION, ASKED, State.OFFERED),
        (Verb.ACCEPT, OFFERED, State.OPEN),
        (Verb.DECLINE, OFFERED, State.OPEN),
        (Verb.TAKE_BACK, HANDED_BACK, State.OPEN),
        (Verb.CHANGE_SEVERITY, OFFERED, State.OFFERED),
        (Verb.CHANGE_TASK_CLASS, RESOLVED, State.RESOLVED),
        (Verb.ACCEPT, ASKED, State.WAITING),
        (Verb.RESOLVE, WITH_FACTORY, State.RESOLVED),
        (Verb.CHALLENGE, RESOLVED, State.RESOLVED),
        (Verb.CONFIRM_FIXED, RESOLVED, State.CLOSED),
        (Verb.REOPEN, RESOLVED, State.OPEN),
        (Verb.CLOSE, RESOLVED, State.CLOSED),
        (Verb.NOTE, CLOSED, State.CLOSED),
    ],
)
def test_state_follows_the_table(verb, situation, state):
    assert state_after(verb, situation) is state


def test_companies_of_actors():
    assert company_of(ENGINEER) is MAKER
    assert company_of(TECHNICIAN) is INTEGRATOR
    assert company_of(CONTACT) is None
    assert (other_company(MAKER), other_company(INTEGRATOR)) == (INTEGRATOR, MAKER)


@pytest.mark.parametrize(
    ("situation", "company", "audience", "substantive", "accepts"),
    [
        (OFFERED, MAKER, Audience.COMPANIES, True, True),
        (OFFERED, MAKER, Audience.CUSTOMER, True, True),
        (OFFERED, MAKER, Audience.OWN, True, False),
        (OFFERED, MAKER, Audience.COMPANIES, False, False),
        (OFFERED, INTEGRATOR, Audience.COMPANIES, True, False),
        (OFFERED, None, Audience.CUSTOMER, True, False),
        (WITH_INTEGRATOR, MAKER, Audience.COMPANIES, True, False),
    ],
)
def test_first_substantive_reply_accepts_an_offer(situation, company, audience, substantive, accepts):
    assert reply_accepts(situation, company, audience, substantive=substantive) is accepts


companies = st.sampled_from(Company)


def consistent(situation):
    """A case is offered exactly while an offer is open, unless it waits."""
    if situation.state is State.OPEN:
        return replace(situation, offer=None)
    if situation.state is State.OFFERED and situation.offer is None:
        return replace(situation, offer=Offer(situation.holder, other_company(situation.holder)))
    return situation


situations = st.builds(
    Situation,
    state=st.sampled_from(State),
    holder=companies,
    offer=st.none() | companies.map(lambda by: Offer(by, other_company(by))),
    question_by=st.none() | companies,
    resolution_by=st.none() | companies,
    answered=st.booleans(),
    within_reopen_window=st.booleans(),
    has_integrator=st.booleans(),
).map(consistent)


@given(
    situation=situations, verb=st.sampled_from(Verb), who=st.sampled_from([ENGINEER, TECHNICIAN, CONTACT, BUYER, None])
)
def test_refusal_always_has_a_sentence_and_permission_a_source_state(situation, verb, who):
    permission = may(verb, situation, who)
    assert permission.allowed is not bool(permission.sentence)
    if permission.allowed:
        assert situation.state in TRANSITIONS[verb].sources


@given(situation=situations, verb=st.sampled_from(Verb), company=st.sampled_from([MAKER, INTEGRATOR, None]))
def test_state_moves_only_along_the_table(situation, verb, company):
    if may_as(verb, situation, company).allowed:
        assert state_after(verb, situation) in TRANSITIONS[verb].targets


@given(situation=situations)
def test_each_company_is_holder_or_other_and_never_both(situation):
    ours, theirs = standings_of(situation, MAKER), standings_of(situation, INTEGRATOR)
    assert (Standing.HOLDER in ours) != (Standing.HOLDER in theirs)
    assert (Standing.OTHER_COMPANY in ours) != (Standing.HOLDER in ours)
    assert standings_of(situation, None) == {Standing.CUSTOMER}


@given(situation=situations, verb=st.sampled_from(Verb))
def test_customers_never_come_to_hold_a_case(situation, verb):
    if may_as(verb, situation, None).allowed:
        assert custody_after(verb, situation) is situation.holder


@pytest.mark.parametrize(("kind", "words"), [("accepted", "accepted the case"), ("part_lost", "part lost")])
def test_every_event_can_be_said_even_one_that_is_not_known_yet(kind, words):
    assert sentence(kind) == words
