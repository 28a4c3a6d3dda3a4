"""Stored files: bytes under a random key, on disk.

Invariants: a key names complete, durable content or nothing, for a file appears under its key in one step once its last
byte is on disk; content never changes; memory use does not grow with the file. Who uploaded a file, what it is called
and who may read it are facts in the database; nothing of that is here, so that the bytes may move to another store.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import UUID, uuid4

from portal.errors import Invalid, NotFound

_CHUNK_BYTES = 64 * 1024
_ARRIVING = "arriving"


class Readable(Protocol):
    """Anything that hands out bytes piece by piece: an upload, a socket, an open file."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


@dataclass(frozen=True)
class StoredFile:
    """What was stored: its random key, the SHA-256 of its bytes in hex, its size in bytes."""

    key: UUID
    sha256: str
    size: int


@dataclass(frozen=True)
class DiskStore:
    """Files below one directory, spread over 256 sub-directories by the start of their key."""

    root: Path

    def put(self, stream: Readable, *, limit_bytes: int) -> StoredFile:
        """Store what ``stream`` still holds. *Raises*: Invalid when that is more than ``limit_bytes``."""
        key = uuid4()
        with self._arriving(key) as (path, arriving):
            digest, size = hashlib.sha256(), 0
            while chunk := stream.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > limit_bytes:
                    raise Invalid(f"The file is larger than {_readable_size(limit_bytes)}.")
                digest.update(chunk)
                arriving.write(chunk)
            arriving.flush()
            os.fsync(arriving.fileno())
            place = self._place(key)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            path.rename(place)
            _sync_directory(place.parent)
            _sync_directory(self.root)
        return StoredFile(key, digest.hexdigest(), size)

    def open(self, key: UUID) -> BinaryIO:
        """The file from its first byte; the caller closes it. *Raises*: NotFound."""
        try:
            return self._place(key).open("rb")
        except FileNotFoundError as error:
            raise NotFound("This file is no longer stored.") from error

    def delete(self, key: UUID) -> None:
        """Remove the file; nothing happens when there is none."""
        self._place(key).unlink(missing_ok=True)

    def delete_unfinished(self, before: datetime) -> int:
        """Remove what uploads last written to before ``before`` left when their process died; how many there were."""
        count = 0
        for path in (self.root / _ARRIVING).glob("*"):
            # Another process may finish the upload between the listing and the look.
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    count += 1
        return count

    def _place(self, key: UUID) -> Path:
        return self.root / key.hex[:2] / key.hex

    @contextmanager
    def _arriving(self, key: UUID) -> Iterator[tuple[Path, BinaryIO]]:
        """A new file that is gone afterwards unless it was renamed."""
        directory = self.root / _ARRIVING
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / key.hex
        try:
            # Exclusive, and readable by this user alone.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as arriving:
                yield path, arriving
        finally:
            path.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Make a rename durable: the name is the directory's content."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _readable_size(size: int) -> str:
    """``25 MB`` for a page; bytes where it is no whole number of the larger unit."""
    for factor, unit in ((1024 * 1024, "MB"), (1024, "kB")):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"
