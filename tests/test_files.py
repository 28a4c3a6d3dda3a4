"""Files on disk: whole or not at all, never over the limit, in constant memory."""

import hashlib
import io
import os
import stat
import tracemalloc
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest

from portal.config import Settings
from portal.errors import Invalid, Misconfigured, NotFound, ProviderTrouble
from portal.files import DiskStore, store_at
from tests.support.bucket import running_bucket

LIMIT = 1024 * 1024


class Endless:
    """A stream of zeros that breaks off, or ends, after ``size`` bytes."""

    def __init__(self, size: int, *, breaks: bool = False) -> None:
        self.left = size
        self.breaks = breaks
        self.largest_read = 0

    def read(self, size: int, /) -> bytes:
        if self.left == 0 and self.breaks:
            raise ConnectionResetError
        count = min(size, self.left)
        self.left -= count
        self.largest_read = max(self.largest_read, count)
        return bytes(count)


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "files")


def files_of(store: DiskStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("content", [b"", b"x", b"log line\n" * 30_000, bytes(LIMIT)])
def test_a_file_comes_back_as_it_was_stored(store, content):
    stored = store.put(io.BytesIO(content), limit_bytes=LIMIT)
    assert stored.size == len(content)
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    with store.open(stored.key) as file:
        assert file.read() == content


def test_equal_files_get_keys_of_their_own(store):
    one, other = (store.put(io.BytesIO(b"same"), limit_bytes=LIMIT) for _ in range(2))
    assert one.key != other.key
    assert one.sha256 == other.sha256
    store.delete(one.key)
    with store.open(other.key) as file:
        assert file.read() == b"same"


def test_a_file_is_stored_from_where_its_stream_stands(store):
    stream = io.BytesIO(b"header;body")
    stream.seek(7)
    stored = store.put(stream, limit_bytes=4)
    with store.open(stored.key) as file:
        assert file.read() == b"body"


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [(2 * LIMIT, "larger than 2 MB"), (2048, "larger than 2 kB"), (1000, "larger than 1000 byte")],
)
def test_a_file_over_the_limit_is_refused_and_leaves_nothing(store, limit, sentence):
    with pytest.raises(Invalid, match=sentence):
        store.put(Endless(limit + 1), limit_bytes=limit)
    assert files_of(store) == []


def test_an_oversized_stream_is_not_read_to_its_end(store):
    stream = Endless(100 * LIMIT)
    with pytest.raises(Invalid):
        store.put(stream, limit_bytes=LIMIT)
    assert stream.left >= 98 * LIMIT


def test_a_stream_that_breaks_off_leaves_nothing(store):
    with pytest.raises(ConnectionResetError):
        store.put(Endless(200_000, breaks=True), limit_bytes=LIMIT)
    assert files_of(store) == []


def test_memory_does_not_grow_with_the_file(store):
    tracemalloc.start()
    try:
        store.put(Endless(32 * LIMIT), limit_bytes=32 * LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LIMIT


def test_a_file_is_private_and_spread_by_its_key(store):
    stored = store.put(io.BytesIO(b"x"), limit_bytes=LIMIT)
    (path,) = files_of(store)
    assert path == store.root / stored.key.hex[:2] / stored.key.hex
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_deleted_file_is_gone_and_deleting_again_is_harmless(store):
    stored = store.put(io.BytesIO(b"x"), limit_bytes=LIMIT)
    store.delete(stored.key)
    store.delete(stored.key)
    with pytest.raises(NotFound):
        store.open(stored.key)


def test_an_unknown_key_is_not_found(store):
    with pytest.raises(NotFound):
        store.open(uuid4())
    store.delete(uuid4())


def test_what_a_dead_upload_left_is_removed_once_it_is_old(store):
    assert store.delete_unfinished(datetime(2026, 3, 1, tzinfo=UTC)) == 0
    kept = store.put(io.BytesIO(b"kept"), limit_bytes=LIMIT)
    died_at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    left = store.root / "arriving" / uuid4().hex
    left.write_bytes(b"half")
    os.utime(left, (died_at.timestamp(), died_at.timestamp()))
    assert store.delete_unfinished(died_at) == 0
    assert store.delete_unfinished(died_at + timedelta(seconds=1)) == 1
    assert not left.exists()
    store.open(kept.key).close()


class TestBucket:
    @pytest.fixture
    def bucket(self):
        with running_bucket() as found:
            yield found

    def test_what_was_put_is_read_and_removed(self, bucket, tmp_path):
        store = store_at(bucket.url(), tmp_path)
        content = b"log " * 700_000
        stored = store.put(BytesIO(content), limit_bytes=len(content))
        assert (stored.sha256, stored.size) == (hashlib.sha256(content).hexdigest(), len(content))
        assert list(bucket.objects) == [f"/files/{stored.key.hex[:2]}/{stored.key.hex}"]
        with store.open(stored.key) as found:
            assert found.read() == content
        for _ in range(2):
            store.delete(stored.key)
        with pytest.raises(NotFound):
            store.open(stored.key)
        assert store.delete_unfinished(datetime.now(UTC)) == 0

    def test_too_much_is_refused_before_it_is_sent(self, bucket, tmp_path):
        with pytest.raises(Invalid):
            store_at(bucket.url(), tmp_path).put(BytesIO(b"12345"), limit_bytes=4)
        assert bucket.objects == {}

    def test_a_bucket_that_refuses_is_trouble_in_our_words(self, bucket, tmp_path):
        store = store_at(bucket.url("OTHER"), tmp_path)
        with pytest.raises(ProviderTrouble, match="settings"):
            store.put(BytesIO(b"x"), limit_bytes=4)
        with pytest.raises(ProviderTrouble):
            store.open(uuid4())

    def test_without_an_address_files_lie_on_disk(self, tmp_path):
        assert store_at(None, tmp_path) == DiskStore(tmp_path)


@pytest.mark.parametrize(
    "url", ["https://host/bucket", "s3+https://host/bucket", "s3+https://key:secret@host", "s3+https://k:s@h/a/b"]
)
def test_an_address_that_names_no_bucket_is_refused_at_start(url):
    with pytest.raises(Misconfigured, match="FILES_URL"):
        Settings.from_env({"FILES_URL": url})
