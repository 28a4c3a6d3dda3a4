"""A bucket over HTTP in this process: objects by name, S3's own answers for what is not there, signatures required."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MISSING = b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>gone</Message><RequestId>1</RequestId></Error>'
_DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>no</Message><RequestId>1</RequestId></Error>'


class Bucket(ThreadingHTTPServer):
    """The running bucket and what it holds; ``is_down`` has every call answered by 503."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}

    def url(self, key: str = "KEY") -> str:
        return f"s3+http://{key}:SE%2FCRET@127.0.0.1:{self.server_port}/files?region=eu-central-1"


class _Handler(BaseHTTPRequestHandler):
    server: Bucket
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self._is_signed():
            self.server.objects[self.path] = content
            self._answer(200, b"", ETag='"1"')

    def do_GET(self) -> None:
        if self._is_signed():
            found = self.server.objects.get(self.path)
            self._answer(404 if found is None else 200, _MISSING if found is None else found)

    def do_DELETE(self) -> None:
        if self._is_signed():
            self.server.objects.pop(self.path, None)
            self._answer(204, b"")

    def _is_signed(self) -> bool:
        scope = "/eu-central-1/s3/aws4_request"
        given = self.headers.get("Authorization", "")
        if given.startswith("AWS4-HMAC-SHA256 Credential=KEY/") and scope in given:
            return True
        self._answer(403, _DENIED)
        return False

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Content-Type": "application/xml", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def running_bucket() -> Iterator[Bucket]:
    """A bucket named ``files`` while the block runs."""
    with Bucket() as bucket:
        threading.Thread(target=bucket.serve_forever, daemon=True).start()
        yield bucket
        bucket.shutdown()
