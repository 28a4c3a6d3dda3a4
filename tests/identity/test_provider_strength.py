"""How strong and how recent a provider's sign-in was, and what follows from an account: tables of facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.identity.factors.rules import Proof
from portal.identity.sso import strength
from portal.identity.sso.outcomes import Outcome, Standing, decide
from portal.identity.sso.rules import Account, with_userinfo

ASKED = datetime(2026, 3, 10, 9, tzinfo=UTC)
NOW = ASKED + timedelta(minutes=2)
TOM = Account("tom-at-work", "tom@kes.example", True, "Tom")


@pytest.mark.parametrize(
    ("claims", "levels", "shows"),
    [
        ({}, "", False),
        ({"amr": ["mfa"]}, "", True),
        ({"amr": ["pwd", "otp"]}, "", True),
        ({"amr": ["hwk", "fpt"]}, "", True),
        ({"amr": ["pwd", "pin", "kba"]}, "", False),
        ({"amr": ["pwd", "sms", "tel"]}, "", False),
        ({"amr": ["hwk", "otp"]}, "", False),
        ({"amr": "mfa"}, "", True),
        ({"amr": {"mfa": True}}, "", False),
        ({"amr": [None, 7]}, "", False),
        ({"acr": "strong"}, "", False),
        ({"acr": "strong"}, "weak strong", True),
        ({"acr": "str"}, "strong", False),
        ({"acr": ["strong"]}, "strong", False),
        ({"acr": ""}, "", False),
    ],
)
def test_a_second_factor_shows_or_does_not(claims, levels, shows):
    assert strength.shows_second_factor(claims, levels) is shows
    alone = Proof.PROVIDER if shows else Proof.PROVIDER_ALONE
    assert strength.proof_of(claims, must_show_factor=True, acr_values=levels) is alone
    assert strength.proof_of(claims, must_show_factor=False, acr_values=levels) is Proof.PROVIDER
    check = strength.check_factor(claims, levels)
    assert check.is_met
    assert ("which shows one" in check.sentence) is shows


@pytest.mark.parametrize(
    ("at", "is_recent"),
    [
        (ASKED, True),
        (ASKED - timedelta(seconds=60), True),
        (ASKED - timedelta(seconds=61), False),
        (NOW + timedelta(seconds=60), True),
        (NOW + timedelta(seconds=61), False),
        (None, False),
        (True, False),
        ("now", False),
        (1e30, False),
    ],
)
def test_a_sign_in_counts_from_when_it_was_asked_for(at, is_recent):
    told = int(at.timestamp()) if isinstance(at, datetime) else at
    assert strength.check_recent({"auth_time": told}, asked_at=ASKED, now=NOW).is_met is is_recent


@pytest.mark.parametrize(
    ("purpose", "account", "standing", "outcome"),
    [
        ("sign_in", TOM, Standing(), Outcome.NOT_LINKED),
        ("sign_in", TOM, Standing(linked_person_id=1), Outcome.LEFT),
        ("sign_in", TOM, Standing(linked_person_id=1, is_member=True), Outcome.SIGN_IN),
        ("step_up", TOM, Standing(asker_id=1, is_member=True), Outcome.NOT_LINKED),
        ("step_up", TOM, Standing(linked_person_id=2, asker_id=1, is_member=True), Outcome.OTHER_PERSON),
        ("step_up", TOM, Standing(linked_person_id=1, asker_id=1), Outcome.LEFT),
        ("step_up", TOM, Standing(linked_person_id=1, asker_id=1, is_member=True), Outcome.SIGN_IN),
        ("link", Account("t", "tom@kes.example", False, ""), Standing(is_member=True), Outcome.UNVERIFIED),
        ("link", Account("t", "", True, ""), Standing(is_member=True), Outcome.UNVERIFIED),
        ("invitation", TOM, Standing(linked_person_id=1), Outcome.OTHER_PERSON),
        ("invitation", TOM, Standing(invited_email="TOM@kes.example"), Outcome.CONFIRM),
        ("invitation", TOM, Standing(invited_email="tia@kes.example"), Outcome.OTHER_ADDRESS),
        ("link", TOM, Standing(), Outcome.LEFT),
        ("link", TOM, Standing(linked_person_id=1, asker_id=1, is_member=True), Outcome.SIGN_IN),
        ("link", TOM, Standing(linked_person_id=2, asker_id=1, is_member=True), Outcome.OTHER_PERSON),
        ("link", TOM, Standing(asker_id=1, is_member=True, other_subject_of_asker=True), Outcome.OTHER_ACCOUNT),
        ("link", TOM, Standing(asker_id=1, is_member=True), Outcome.CONFIRM),
    ],
)
def test_what_follows_from_an_account(purpose, account, standing, outcome):
    assert decide(purpose, account, standing) is outcome


def test_userinfo_gives_the_address_of_the_same_account_only():
    bare = Account("tom-at-work", "old@kes.example", False, "")
    told = {"sub": "tom-at-work", "email": "tom@kes.example", "email_verified": True, "name": "Tom"}
    assert with_userinfo(bare, told) == TOM
    assert with_userinfo(bare, {**told, "sub": "tia-at-work"}) == bare
    assert with_userinfo(bare, {"sub": "tom-at-work"}).email_verified is False
