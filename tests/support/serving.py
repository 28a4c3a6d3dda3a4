"""The portal on a real port, in a thread: for tests that drive a browser or speak HTTP from outside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """The app has its own line for each request."""


@contextmanager
def served(app: Flask, port: int = 0) -> Iterator[str]:
    """The address at which ``app`` answers while the block runs; on a free port unless one is named."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
