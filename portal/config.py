"""What a deployment decides, read once from the environment; no other module reads it.

Invariants:
 - ``Settings.from_env`` either returns settings that can work or raises ``Misconfigured`` naming every bad key.
 - A live Stripe key never meets an address that is not Stripe's; a production deployment never runs on a test key.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from portal.errors import Misconfigured

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "portal" / "web" / "static"
MIGRATIONS = ROOT / "migrations"

ENVIRONMENTS = ("development", "production")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
SECRET_KEY_LENGTH = 32
# https://docs.stripe.com/keys: standard and restricted keys, each for one of the two modes.
TEST_KEY_PREFIXES = ("sk_test_", "rk_test_")
LIVE_KEY_PREFIXES = ("sk_live_", "rk_live_")


@dataclass(frozen=True)
class Settings:
    """A deployment's settings.

    *Shape*: no database address at all means the embedded PostgreSQL, whose addresses ``portal.embedded`` fills in;
    ``stripe_api_base`` None means Stripe itself; ``smtp_url`` None keeps mail in ``mail_dir``.
    """

    environment: str
    instance_dir: Path
    files_dir: Path
    base_url: str
    secret_key: str = field(repr=False)
    database_url: str | None = field(default=None, repr=False)
    web_database_url: str | None = field(default=None, repr=False)
    work_database_url: str | None = field(default=None, repr=False)
    reporting_database_url: str | None = field(default=None, repr=False)
    files_url: str | None = field(default=None, repr=False)
    stripe_secret_key: str | None = field(default=None, repr=False)
    stripe_api_base: str | None = None
    stripe_webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    stripe_thin_webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str = "Factoryline <portal@localhost>"
    log_level: str = "INFO"
    proxy_hops: int = 0
    step_up_minutes: int = 10
    automatic_tax: bool = False
    breached_passwords_url: str | None = None

    @property
    def names_a_database(self) -> bool:
        """Whether any login to a database is set; a host of one kind needs only its own."""
        return any((self.database_url, self.web_database_url, self.work_database_url))

    @property
    def is_production(self) -> bool:
        """Whether this deployment serves real companies."""
        return self.environment == "production"

    @property
    def livemode(self) -> bool:
        """Whether Stripe moves real money for this deployment."""
        return self.stripe_secret_key is not None and self.stripe_secret_key.startswith(LIVE_KEY_PREFIXES)

    @property
    def mail_dir(self) -> Path:
        """Where mail is kept instead of being sent when no mail server is named."""
        return self.instance_dir / "mail"

    def with_database(self, owner_url: str) -> Settings:
        """These settings on the database at ``owner_url``, where the app roles act unless they have own addresses."""
        return replace(
            self,
            database_url=owner_url,
            web_database_url=self.web_database_url or as_role(owner_url, "portal_web"),
            work_database_url=self.work_database_url or as_role(owner_url, "portal_work"),
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Settings from ``environ``, by default the process environment; an empty value counts as unset.

        *Raises*: Misconfigured, one sentence with every bad key.
        """
        reader = _Reader(os.environ if environ is None else environ)
        settings = _read(reader)
        reader.problems.extend(_contradictions(settings))
        if reader.problems:
            raise Misconfigured("The settings cannot work: " + "; ".join(reader.problems) + ".")
        if not settings.secret_key:
            settings = replace(settings, secret_key=_kept_secret(settings.instance_dir))
        return settings.with_database(settings.database_url) if settings.database_url else settings


def as_role(url: str, role: str) -> str:
    """The same login acting as ``role`` from its first statement on."""
    separator = "&" if "?" in url else "?"
    return f"{url}{separator}options={quote(f'-c role={role}')}"


def child_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The process environment with changes, for a program that this one starts."""
    return {**os.environ, **changes}


class _Reader:
    """Typed look-ups that collect what is wrong instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, key: str, default: str = "") -> str:
        return self._environ.get(key, "").strip() or default

    def optional(self, key: str) -> str | None:
        return self.text(key) or None

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(key, default)
        if value not in allowed:
            self.problems.append(f"{key} must be one of {', '.join(allowed)}, not {value!r}")
            return default
        return value

    def url(self, key: str, schemes: tuple[str, ...], default: str | None = None) -> str | None:
        value = self.optional(key) or default
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            well_formed = parts.scheme in schemes and (bool(parts.netloc) or "postgresql" in schemes)
        except ValueError:
            well_formed = False
        if not well_formed:
            self.problems.append(f"{key} must be an address beginning with {' or '.join(s + '://' for s in schemes)}")
        return value

    def secrets(self, key: str) -> tuple[str, ...]:
        found = tuple(part.strip() for part in self.text(key).split(",") if part.strip())
        if len(found) > 2:
            self.problems.append(f"{key} holds at most two secrets, the old and the new one during rotation")
        return found

    def count(self, key: str, default: int, most: int) -> int:
        value = self.text(key, str(default))
        if not value.isascii() or not value.isdigit() or int(value) > most:
            self.problems.append(f"{key} must be a whole number from 0 to {most}, not {value!r}")
            return default
        return int(value)


def _bucket(reader: _Reader) -> str | None:
    """The address of a bucket with its key, such as s3+https://KEY:SECRET@host/bucket?region=eu-central-1."""
    value = reader.url("FILES_URL", ("s3+https", "s3+http"))
    if value is not None:
        parts = urlsplit(value)
        if not (parts.username and parts.password and parts.path.strip("/")) or "/" in parts.path.strip("/"):
            reader.problems.append("FILES_URL must name a key, its secret, a host and one bucket")
    return value


def _read(reader: _Reader) -> Settings:
    instance = Path(reader.text("INSTANCE_DIR", str(ROOT / "instance"))).expanduser().resolve()
    database = ("postgresql", "postgres", "postgresql+psycopg")
    return Settings(
        environment=reader.choice("PORTAL_ENV", ENVIRONMENTS, "development"),
        instance_dir=instance,
        files_url=_bucket(reader),
        files_dir=Path(reader.text("FILES_DIR", str(instance / "files"))).expanduser().resolve(),
        base_url=(reader.url("BASE_URL", ("http", "https"), "http://localhost:8000") or "").rstrip("/"),
        secret_key=reader.text("SECRET_KEY"),
        database_url=reader.url("DATABASE_URL", database),
        web_database_url=reader.url("WEB_DATABASE_URL", database),
        work_database_url=reader.url("WORK_DATABASE_URL", database),
        reporting_database_url=reader.url("REPORTING_DATABASE_URL", database),
        stripe_secret_key=reader.optional("STRIPE_SECRET_KEY"),
        stripe_api_base=(reader.url("STRIPE_API_BASE", ("http", "https")) or "").rstrip("/") or None,
        stripe_webhook_secrets=reader.secrets("STRIPE_WEBHOOK_SECRET"),
        stripe_thin_webhook_secrets=reader.secrets("STRIPE_THIN_WEBHOOK_SECRET"),
        smtp_url=reader.url("SMTP_URL", ("smtp", "smtps")),
        mail_from=reader.text("MAIL_FROM", "Factoryline <portal@localhost>"),
        log_level=reader.choice("LOG_LEVEL", LOG_LEVELS, "INFO"),
        proxy_hops=reader.count("PROXY_HOPS", 0, 5),
        step_up_minutes=reader.count("STEP_UP_MINUTES", 10, 60),
        automatic_tax=reader.choice("STRIPE_TAX", ("off", "on"), "off") == "on",
        breached_passwords_url=(reader.url("BREACHED_PASSWORDS_URL", ("https", "http")) or "").rstrip("/") or None,
    )


def _contradictions(settings: Settings) -> list[str]:
    problems = _stripe_problems(settings)
    if "\n" in settings.mail_from or "@" not in settings.mail_from:
        problems.append("MAIL_FROM must be a mail address")
    if settings.secret_key and len(settings.secret_key) < SECRET_KEY_LENGTH:
        problems.append(f"SECRET_KEY must have at least {SECRET_KEY_LENGTH} characters")
    if settings.is_production:
        problems += _missing_in_production(settings)
    return problems


def _missing_in_production(settings: Settings) -> list[str]:
    problems = []
    if not settings.secret_key:
        problems.append("SECRET_KEY is required in production")
    if not settings.names_a_database:
        problems.append("DATABASE_URL is required in production; the embedded PostgreSQL is for development")
    if not settings.base_url.startswith("https://"):
        problems.append("BASE_URL must begin with https:// in production")
    if settings.breached_passwords_url and not settings.breached_passwords_url.startswith("https://"):
        problems.append("BREACHED_PASSWORDS_URL must begin with https:// in production")
    if not settings.smtp_url:
        problems.append("SMTP_URL is required in production")
    return problems


def _stripe_problems(settings: Settings) -> list[str]:
    key = settings.stripe_secret_key
    if key is None:
        return []
    problems = []
    if not key.startswith(TEST_KEY_PREFIXES + LIVE_KEY_PREFIXES):
        problems.append("STRIPE_SECRET_KEY must begin with sk_test_, rk_test_, sk_live_ or rk_live_")
    if settings.livemode and settings.stripe_api_base is not None:
        problems.append("STRIPE_API_BASE must be unset with a live key: a live key goes to Stripe only")
    if settings.is_production and key.startswith(TEST_KEY_PREFIXES):
        problems.append("STRIPE_SECRET_KEY is a test key, which production refuses")
    if not settings.stripe_webhook_secrets:
        problems.append("STRIPE_WEBHOOK_SECRET is required with STRIPE_SECRET_KEY")
    if not settings.stripe_thin_webhook_secrets:
        problems.append("STRIPE_THIN_WEBHOOK_SECRET is required with STRIPE_SECRET_KEY")
    return problems


def _kept_secret(instance: Path) -> str:
    """The development key: made once, kept in the instance folder, readable by its owner only."""
    instance.mkdir(parents=True, exist_ok=True)
    kept = instance / "secret_key"
    fresh = instance / f"secret_key.{secrets.token_hex(4)}"
    fresh.touch(mode=0o600)
    fresh.write_text(secrets.token_hex(SECRET_KEY_LENGTH), encoding="utf-8")
    try:
        # A link appears complete or not at all, so two processes that start together agree on one key.
        os.link(fresh, kept)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return kept.read_text(encoding="utf-8")
