"""Where the stand-in listens, keeps its state and delivers its events: options first, then STANDIN_* variables."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_KEY = "sk_test_standin"
DEFAULT_PORT = 12111


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    state_path: Path
    key: str
    public_url: str
    webhook_url: str
    webhook_secrets: tuple[str, ...]
    thin_webhook_url: str
    thin_webhook_secrets: tuple[str, ...]


def read_settings(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    options = _parser(environment).parse_args(arguments)
    return Settings(
        host=options.host,
        port=options.port,
        state_path=Path(options.state),
        key=options.key,
        public_url=options.public_url.rstrip("/"),
        webhook_url=options.webhook_url,
        webhook_secrets=_several(options.webhook_secret),
        thin_webhook_url=options.thin_webhook_url,
        thin_webhook_secrets=_several(options.thin_webhook_secret),
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m portal.standin",
        description="Speaks Stripe's HTTP API without Stripe. No money moves.",
        epilog="Each option can also be given by environment, for example STANDIN_WEBHOOK_URL.",
    )

    def option(name: str, default: str, text: str, *, kind: type = str) -> None:
        variable = "STANDIN_" + name.upper().replace("-", "_")
        parser.add_argument(f"--{name}", default=environment.get(variable, default), type=kind, help=text)

    option("host", "127.0.0.1", "address to listen on")
    option("port", str(DEFAULT_PORT), "port to listen on, 0 for any free one", kind=int)
    option("state", "instance/standin.db", "SQLite file that holds everything")
    option("key", DEFAULT_KEY, "the secret API key it accepts")
    option("public-url", "", "how browsers reach it, when not by host and port")
    option("webhook-url", "", "where snapshot events (v1) are delivered")
    option("webhook-secret", "whsec_standin", "signing secret; several, comma-separated, while rotating")
    option("thin-webhook-url", "", "where thin events (v2) are delivered")
    option("thin-webhook-secret", "whsec_standin_thin", "signing secret; several, comma-separated, while rotating")
    return parser


def _several(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())
