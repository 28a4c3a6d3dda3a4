"""Stored files: bytes under a random key, on disk or in a bucket that speaks S3.

Invariants: a key names complete, durable content or nothing, for a file appears under its key in one step once its last
byte is on disk or in the bucket; content never changes. Who uploaded a file, what it is called and who may read it are
facts in the database; nothing of that is here, so that the bytes may move to another store.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID, uuid4

from portal.errors import Invalid, NotFound, ProviderTrouble

if TYPE_CHECKING:
    from minio import Minio

_CHUNK_BYTES = 64 * 1024
_ARRIVING = "arriving"
# Below this a file on its way to or from a bucket stays in memory; one part holds the largest file a form takes.
_IN_MEMORY_BYTES = 1024 * 1024
_ONE_PART_BYTES = 64 * 1024 * 1024


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


@dataclass(frozen=True)
class BucketStore:
    """Files in a bucket. An object is complete or not there, so nothing unfinished is ever left."""

    client: Minio
    bucket: str

    def put(self, stream: Readable, *, limit_bytes: int) -> StoredFile:
        """Store what ``stream`` still holds. *Raises*: Invalid beyond ``limit_bytes``, ProviderTrouble."""
        key, digest, size = uuid4(), hashlib.sha256(), 0
        with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as arriving:
            while chunk := stream.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > limit_bytes:
                    raise Invalid(f"The file is larger than {_readable_size(limit_bytes)}.")
                digest.update(chunk)
                arriving.write(chunk)
            arriving.seek(0)
            with _answers():
                whole = cast(BinaryIO, arriving)
                self.client.put_object(self.bucket, _name(key), whole, size, part_size=_ONE_PART_BYTES)
        return StoredFile(key, digest.hexdigest(), size)

    def open(self, key: UUID) -> BinaryIO:
        """The file from its first byte; the caller closes it. *Raises*: NotFound, ProviderTrouble."""
        fetched = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
        with _answers():
            answer = self.client.get_object(self.bucket, _name(key))
            try:
                for chunk in answer.stream(_CHUNK_BYTES):
                    fetched.write(chunk)
            finally:
                answer.close()
                answer.release_conn()
        fetched.seek(0)
        return cast(BinaryIO, fetched)

    def delete(self, key: UUID) -> None:
        """Remove the file; nothing happens when there is none. *Raises*: ProviderTrouble."""
        with _answers():
            self.client.remove_object(self.bucket, _name(key))

    def delete_unfinished(self, before: datetime) -> int:
        """Nothing is ever unfinished here."""
        return 0


Store = DiskStore | BucketStore


@lru_cache(maxsize=8)
def store_at(files_url: str | None, files_dir: Path) -> Store:
    """Where files are kept: the bucket that an address names, or else a directory."""
    if files_url is None:
        return DiskStore(files_dir)
    # Here, because most deployments keep files on disk and every process would carry it.
    from minio import Minio  # noqa: PLC0415

    parts = urlsplit(files_url)
    place = parts.hostname or ""
    client = Minio(
        f"{place}:{parts.port}" if parts.port else place,
        access_key=unquote(parts.username or ""),
        secret_key=unquote(parts.password or ""),
        secure=parts.scheme == "s3+https",
        # Named and not asked for: the answer to that question is another right that the key would need.
        region=dict(parse_qsl(parts.query)).get("region", "us-east-1"),
    )
    return BucketStore(client, parts.path.strip("/"))


@contextmanager
def _answers() -> Iterator[None]:
    """The bucket's answers in our words."""
    from minio.error import MinioException, S3Error  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        yield
    except S3Error as error:
        if error.code in ("NoSuchKey", "NoSuchObject"):
            raise NotFound("This file is no longer stored.") from error
        raise ProviderTrouble("The file store refuses; its settings have to be looked at.") from error
    except (MinioException, HTTPError) as error:
        raise ProviderTrouble("The file store does not answer. Try again in a minute.") from error


def _name(key: UUID) -> str:
    return f"{key.hex[:2]}/{key.hex}"


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
