"""One JSON object per line on standard error, from our own code and from the libraries alike.

Lines carry ids (request, job, case), never a name, an address or what somebody typed; a traceback shows no variables.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(name: str) -> Iterator[None]:
    """Have a package not be there while the block runs: for one that another imports where it happens to be."""
    known = sys.modules.get(name)
    sys.modules[name] = known  # type: ignore[assignment]  # None is how Python says that there is none
    try:
        yield
    finally:
        if known is None:
            del sys.modules[name]


with absent("rich"):
    # structlog draws tracebacks in colour where rich is installed; ours are lines of JSON.
    import structlog

# These say in sentences what our own lines say with ids.
QUIET = ("procrastinate", "alembic", "stripe", "urllib3")


def configure(level: str) -> None:
    """Send everything from ``level`` up through one formatter; calling it again changes nothing but the level."""
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=common,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
