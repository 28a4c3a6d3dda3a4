"""Sessions, tokens, throttle keys and passwords: the pure decisions."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from portal.errors import Invalid
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


@pytest.mark.parametrize("password", ["correct horse battery", "x1y2z3" * 2, "é" * 6 + "abcdef", "a b c d e f g h"])
def test_a_long_enough_password_is_taken(password):
    rules.check_password(password, email="ana@nor.example", name="Ana")


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "at least 12"),
        ("elevenchars", "at least 12"),
        ("x" * 257, "at most 256"),
        ("abcdabcdabcdabcd", "repeats too few"),
        ("ANA@nor.example", "own name or address"),
        ("ana ruiz-vega y sons", "own name or address"),
    ],
)
def test_a_weak_password_is_refused_at_its_field(password, words):
    with pytest.raises(Invalid) as refused:
        rules.check_password(password, email="ana@nor.example", name="Ana Ruiz-Vega y Sons")
    assert words in refused.value.fields["password"]
