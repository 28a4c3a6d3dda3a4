"""Decisions about second factors, as tables: which is asked when, what is fresh, what is taken once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.access import Role
from portal.identity.factors import rules
from portal.identity.factors.rules import Held, Proof, Proven

NOW = datetime(2026, 3, 10, 9, 0, 10, tzinfo=UTC)
BARE = Held(password=True)
WITH_APP = Held(password=True, generator=True, recovery_codes=10)
WITH_PASSKEY = Held(password=True, passkeys=1)
WITH_BOTH = Held(password=True, generator=True, passkeys=2)
FROM_PROVIDER = Held()
CODES_ONLY = Held(password=True, recovery_codes=3)


@pytest.mark.parametrize(
    ("proof", "held", "asked"),
    [
        (Proof.PASSWORD, BARE, set()),
        (Proof.PASSWORD, CODES_ONLY, set()),
        (Proof.PASSWORD, WITH_APP, {Proof.GENERATOR, Proof.RECOVERY}),
        (Proof.PASSWORD, WITH_PASSKEY, {Proof.PASSKEY}),
        (Proof.PASSWORD, WITH_BOTH, {Proof.GENERATOR, Proof.PASSKEY}),
        (Proof.PASSKEY, WITH_BOTH, set()),
        (Proof.PROVIDER, WITH_APP, set()),
        (Proof.PROVIDER, FROM_PROVIDER, set()),
        (Proof.RECOVERY, WITH_APP, set()),
    ],
)
def test_what_a_sign_in_asks_next(proof, held, asked):
    assert rules.asked_after(proof, held) == asked


@pytest.mark.parametrize(
    ("held", "ways"),
    [
        (BARE, {Proof.PASSWORD}),
        (CODES_ONLY, {Proof.PASSWORD}),
        (WITH_APP, {Proof.GENERATOR, Proof.RECOVERY}),
        (WITH_PASSKEY, {Proof.PASSKEY}),
        (WITH_BOTH, {Proof.GENERATOR, Proof.PASSKEY}),
        (FROM_PROVIDER, set()),
    ],
)
def test_a_password_confirms_only_where_there_is_nothing_stronger(held, ways):
    assert rules.step_up_ways(held) == ways


@pytest.mark.parametrize(
    ("by", "minutes_ago", "held", "fresh"),
    [
        (Proof.PASSWORD, 0, BARE, True),
        (Proof.PASSWORD, 9.99, BARE, True),
        (Proof.PASSWORD, 10, BARE, False),
        (Proof.PASSWORD, 0, WITH_APP, False),
        (Proof.PASSWORD, 0, WITH_PASSKEY, False),
        (Proof.GENERATOR, 1, WITH_APP, True),
        (Proof.GENERATOR, 10, WITH_APP, False),
        (Proof.PASSKEY, 1, WITH_APP, True),
        (Proof.PROVIDER, 1, FROM_PROVIDER, True),
        (Proof.PROVIDER, 11, FROM_PROVIDER, False),
        (Proof.RECOVERY, 1, WITH_APP, True),
        (Proof.PASSWORD, -1, BARE, False),
    ],
)
def test_a_step_up_is_fresh_for_minutes_and_by_the_best_that_is_held(by, minutes_ago, held, fresh):
    proven = Proven(by, NOW - timedelta(minutes=minutes_ago))
    assert rules.is_fresh(proven, held, lasts=timedelta(minutes=10), now=NOW) is fresh


def test_a_session_that_was_never_proven_is_not_fresh():
    assert not rules.is_fresh(Proven(Proof.PASSKEY, None), BARE, lasts=timedelta(minutes=10), now=NOW)


def test_nothing_is_fresh_where_every_act_asks():
    assert not rules.is_fresh(Proven(Proof.PASSKEY, NOW), BARE, lasts=timedelta(0), now=NOW)


@pytest.mark.parametrize(
    ("last_used", "offsets"),
    [(None, [-1, 0, 1]), (-2, [-1, 0, 1]), (-1, [0, 1]), (0, [1]), (1, []), (20, [])],
)
def test_a_code_is_taken_within_the_drift_and_after_the_one_used_last(last_used, offsets):
    present = rules.step_at(NOW)
    last_step = 0 if last_used is None else present + last_used
    assert rules.open_steps(NOW, last_step) == tuple(present + offset for offset in offsets)


@pytest.mark.parametrize(
    ("kept", "given", "taken"),
    [(0, 0, True), (0, 1, True), (7, 8, True), (7, 900, True), (7, 7, False), (7, 6, False), (7, 0, False)],
)
def test_a_counter_that_stands_or_falls_tells_of_a_copy(kept, given, taken):
    assert rules.counter_is_acceptable(kept, given) is taken


@pytest.mark.parametrize(
    ("required", "roles", "must"),
    [
        ([], {Role.ADMINISTRATOR}, False),
        (["finance"], {Role.ENGINEER}, False),
        (["finance"], {Role.ENGINEER, Role.FINANCE}, True),
        (["finance", "administrator"], {Role.ADMINISTRATOR}, True),
    ],
)
def test_a_second_factor_is_required_by_role(required, roles, must):
    assert rules.must_have_second_factor(required, roles) is must


PLACE = {"secret": "s" * 32, "purpose": "sign in", "holder": "browser 1"}


@pytest.mark.parametrize(
    ("changed", "minutes", "fits"),
    [
        ({}, 0, True),
        ({}, 9.9, True),
        ({}, 10, False),
        ({"secret": "t" * 32}, 0, False),
        ({"purpose": "confirm"}, 0, False),
        ({"holder": "browser 2"}, 0, False),
    ],
)
def test_a_challenge_fits_its_browser_and_purpose_for_minutes(changed, minutes, fits):
    made = rules.new_challenge(b"r" * 16, **PLACE, now=NOW)
    at = NOW + timedelta(minutes=minutes)
    assert rules.challenge_fits(made, **{**PLACE, **changed}, now=at) is fits


@pytest.mark.parametrize(
    "change", [lambda made: made[:-1], lambda made: b"", lambda made: made[:16] + b"\xff" + made[17:]]
)
def test_a_changed_challenge_never_fits(change):
    made = rules.new_challenge(b"r" * 16, **PLACE, now=NOW)
    assert not rules.challenge_fits(change(made), **PLACE, now=NOW)


def test_a_recovery_code_is_known_however_it_is_typed():
    code = "ABCD2345" * 3
    typed = f" {rules.grouped(code).lower()} "
    assert rules.grouped(code) == "ABCD-2345-ABCD-2345-ABCD-2345"
    assert rules.recovery_hash(7, typed) == rules.recovery_hash(7, code) != rules.recovery_hash(8, code)
    assert rules.looks_like_recovery(typed)
    assert not rules.looks_like_recovery("123 456")


def test_what_an_authenticator_keeps_of_a_person_names_nobody():
    handles = {rules.user_handle(secret, person) for secret in ("a" * 32, "b" * 32) for person in (1, 2)}
    assert (len(handles), {len(handle) for handle in handles}) == (4, {32})


def test_a_challenge_of_another_length_is_none():
    assert not rules.challenge_fits(b"short", **PLACE, now=NOW)
    with pytest.raises(ValueError, match="random bytes"):
        rules.new_challenge(b"short", **PLACE, now=NOW)
