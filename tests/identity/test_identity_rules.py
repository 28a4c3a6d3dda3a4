"""Sessions, tokens, throttle keys and passwords: the pure decisions."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from portal.identity import rules

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
LINK = UUID("6f1d6a52-2f0a-4a52-9a77-0d3f54b1c001")


@pytest.mark.parametrize(
    ("expires_in", "idle_for", "revoked", "alive"),
    [
        (timedelta(days=1), timedelta(hours=1), False, True),
        (timedelta(days=1), rules.SESSION_IDLE - timedelta(seconds=1), False, True),
        (timedelta(days=1), rules.SESSION_IDLE, False, False),
        (timedelta(0), timedelta(0), False, False),
        (timedelta(seconds=1), timedelta(0), False, True),
        (timedelta(days=1), timedelta(0), True, False),
    ],
)
def test_a_session_is_alive_until_it_is_idle_old_or_revoked(expires_in, idle_for, revoked, alive):
    found = rules.session_is_alive(
        expires_at=NOW + expires_in, seen_at=NOW - idle_for, revoked_at=NOW if revoked else None, now=NOW
    )
    assert found is alive


def test_a_links_token_is_the_same_each_time_and_nobody_elses():
    token = rules.link_token("secret", LINK)
    assert token == rules.link_token("secret", LINK)
    assert token != rules.link_token("another", LINK)
    assert token != rules.link_token("secret", UUID(int=LINK.int + 1))
    assert len(token) == 43
    assert len(rules.token_sha256(token)) == 32


def test_a_throttles_key_hides_the_address_and_ignores_case():
    key = rules.throttle_key("sign_in", "Ana@nor.example", "10.0.0.1")
    assert key == rules.throttle_key("sign_in", "ana@NOR.example", "10.0.0.1")
    assert "nor.example" not in key
    assert key != rules.throttle_key("reset", "Ana@nor.example", "10.0.0.1")
    assert rules.throttle_key("a", "b", "c") != rules.throttle_key("a", "bc", "")


ANA = rules.Chooser("ana.ruiz@nor.example", "Ana Ruiz-Vega", ("Nordlicht Förderanlagen GmbH", "Kessler & Söhne"))


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "x1y2z3" * 2,
        "é" * 6 + "abcdef",
        "a b c d e f g h",
        "a lantern for Kessler",
        "Nordlicht shines tonight",
        "p@ssage of geese",
    ],
)
def test_a_long_enough_password_is_taken(password):
    assert rules.weakness_of(password, ANA) is None


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "at least 12"),
        ("elevenchars", "at least 12"),
        ("x" * 257, "at most 256"),
        ("abcdabcdabcdabcd", "repeats too few"),
        ("ANA.RUIZ@nor.example", "own name or address"),
        ("ana ruiz-vega!", "own name or address"),
        ("Nordlicht2026!", "organisation's"),
        ("N0rdl1cht-2026", "organisation's"),
        ("förderanlagen1234", "organisation's"),
        ("KesslerKessler12", "organisation's"),
        ("ｋｅｓｓｌｅｒ-söhne-22", "organisation's"),
        ("Factoryline123", "portal's name"),
        ("F@ct0ry Portal", "portal's name"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password, words):
    assert words in (rules.weakness_of(password, ANA) or "")


def test_words_of_two_letters_are_no_context():
    words = rules.context_words(rules.Chooser("b@ab.example", "Bo Li"))
    assert words == {"example", "factoryline", "factory", "portal"}


@pytest.mark.parametrize(
    ("is_yes", "until_at", "ended_at", "now", "state"),
    [
        (None, None, None, NOW, "waiting"),
        (None, None, None, NOW + rules.LOOKING_ON_ANSWERABLE, "over"),
        (False, None, None, NOW, "refused"),
        (True, NOW + timedelta(minutes=30), None, NOW, "open"),
        (True, NOW, None, NOW, "over"),
        (True, None, None, NOW, "over"),
        (True, NOW + timedelta(minutes=30), NOW, NOW, "over"),
    ],
)
def test_looking_on_needs_a_yes_and_ends_by_itself(is_yes, until_at, ended_at, now, state):
    found = rules.looking_on_state(asked_at=NOW, is_yes=is_yes, until_at=until_at, ended_at=ended_at, now=now)
    assert found == state
