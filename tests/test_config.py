"""Settings: what is read, what is refused, and that everything wrong is named at once."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from portal.config import Settings, as_role
from portal.errors import Misconfigured

PRODUCTION = {
    "PORTAL_ENV": "production",
    "DATABASE_URL": "postgresql://portal@db/portal",
    "SECRET_KEY": "k" * 32,
    "BASE_URL": "https://support.example.com/",
    "SMTP_URL": "smtp://mail.example.com",
    "MAIL_FROM": "support@example.com",
}
STRIPE = {"STRIPE_WEBHOOK_SECRET": "whsec_a", "STRIPE_THIN_WEBHOOK_SECRET": "whsec_b"}


def read(tmp_path: Path, **environ: str) -> Settings:
    return Settings.from_env({"INSTANCE_DIR": str(tmp_path), **environ})


def test_development_works_when_nothing_is_set(tmp_path):
    settings = read(tmp_path)
    assert settings.environment == "development"
    assert settings.database_url is None
    assert settings.mail_dir == tmp_path / "mail"
    assert settings.files_dir == tmp_path / "files"
    assert not settings.livemode


def test_secret_key_is_made_once_and_kept_private_when_development_has_none(tmp_path):
    first = read(tmp_path).secret_key
    assert len(first) == 64
    assert read(tmp_path).secret_key == first
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_app_roles_share_the_owners_address_unless_they_have_their_own(tmp_path):
    settings = read(
        tmp_path, DATABASE_URL="postgresql://o@db/p?sslmode=require", WEB_DATABASE_URL="postgresql://w@db/p"
    )
    assert settings.web_database_url == "postgresql://w@db/p"
    assert settings.work_database_url == "postgresql://o@db/p?sslmode=require&options=-c%20role%3Dportal_work"


def test_a_host_of_one_kind_needs_only_its_own_login(tmp_path):
    settings = read(tmp_path, **{**PRODUCTION, "DATABASE_URL": "", "WEB_DATABASE_URL": "postgresql://w@db/p"})
    assert settings.names_a_database
    assert (settings.database_url, settings.work_database_url) == (None, None)


def test_as_role_begins_the_query_when_there_is_none():
    assert as_role("postgresql://o@db/p", "portal_web") == "postgresql://o@db/p?options=-c%20role%3Dportal_web"


def test_production_works_when_everything_is_set(tmp_path):
    settings = read(tmp_path, **PRODUCTION)
    assert settings.is_production
    assert settings.base_url == "https://support.example.com"


def test_every_bad_key_is_named_at_once(tmp_path):
    bad = {
        "PORTAL_ENV": "staging",
        "DATABASE_URL": "mysql://db/p",
        "BASE_URL": "support.example.com",
        "SECRET_KEY": "short",
        "SMTP_URL": "mail.example.com",
        "MAIL_FROM": "nobody",
        "LOG_LEVEL": "LOUD",
        "PROXY_HOPS": "-1",
        "STRIPE_SECRET_KEY": "pk_test_1",
        "STRIPE_API_BASE": "localhost:9",
        "STRIPE_WEBHOOK_SECRET": "a,b,c",
    }
    with pytest.raises(Misconfigured) as refused:
        read(tmp_path, **bad)
    for key in [*bad, "STRIPE_THIN_WEBHOOK_SECRET"]:
        assert key in refused.value.sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["DATABASE_URL", "SECRET_KEY", "BASE_URL", "SMTP_URL"])
def test_production_refuses_to_start_when_a_key_is_missing(tmp_path, key):
    with pytest.raises(Misconfigured, match=key):
        read(tmp_path, **{**PRODUCTION, key: ""})


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({**STRIPE, "STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_API_BASE": "http://localhost:9"}, "STRIPE_API_BASE"),
        ({**STRIPE, **PRODUCTION, "STRIPE_SECRET_KEY": "sk_test_1"}, "test key"),
        ({"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_THIN_WEBHOOK_SECRET": "b"}, "STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "a"}, "STRIPE_THIN_WEBHOOK_SECRET"),
        ({**PRODUCTION, "BREACHED_PASSWORDS_URL": "http://ranges.example"}, "BREACHED_PASSWORDS_URL"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path, environ, named):
    with pytest.raises(Misconfigured, match=named):
        read(tmp_path, **environ)


def test_live_key_in_production_moves_real_money(tmp_path):
    assert read(tmp_path, **PRODUCTION, **STRIPE, STRIPE_SECRET_KEY="rk_live_1").livemode


def test_two_webhook_secrets_are_read_during_rotation(tmp_path):
    environ = {**STRIPE, "STRIPE_WEBHOOK_SECRET": " whsec_new , whsec_old ", "STRIPE_SECRET_KEY": "sk_test_1"}
    assert read(tmp_path, **environ).stripe_webhook_secrets == ("whsec_new", "whsec_old")


def test_secrets_do_not_show_when_settings_are_printed(tmp_path):
    shown = repr(read(tmp_path, **PRODUCTION, **STRIPE, STRIPE_SECRET_KEY="rk_live_1"))
    for secret in ("rk_live_1", "whsec_a", "whsec_b", "k" * 32, "portal@db"):
        assert secret not in shown
