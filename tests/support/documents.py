"""The product's own documents, read once, and small changes to them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from portal.contracts.agreement import Agreement, parse_agreement
from portal.contracts.policy import Policy, parse_policy

DOCUMENTS = Path(__file__).parents[2] / "portal" / "demo" / "documents"
POLICY = "nordlicht_policy.toml"
AGREEMENT = "nordlicht_kessler_agreement.toml"
KESSLER = "nordlicht_kessler_agreement.toml"
ALPEN = "nordlicht_alpen_agreement.toml"


@cache
def text_of(name: str) -> str:
    """The TOML text of a document."""
    return (DOCUMENTS / name).read_text(encoding="utf-8")


def changed(name: str, *changes: tuple[str, str]) -> str:
    """The text of a document with replacements, each of which must find its place."""
    text = text_of(name)
    for old, new in changes:
        if old not in text:
            raise LookupError(old)
        text = text.replace(old, new)
    return text


def policy(*changes: tuple[str, str]) -> Policy:
    """Nordlicht's policy, changed."""
    return parse_policy(changed(POLICY, *changes))


def agreement(name: str = KESSLER, *changes: tuple[str, str]) -> Agreement:
    """An agreement of Nordlicht's, changed."""
    return parse_agreement(changed(name, *changes))
