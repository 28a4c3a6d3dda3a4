"""A process that imports a log and may kill itself with SIGKILL after a stated number of commits.

Run as `python -m tests.importing.importer ADDRESS LOG MAPPING [STEP COUNT]`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from portal.db import engine_for
from portal.importing.actions import import_log, plan_import
from tests.importing.logs import NOW


def main(address: str, log: str, mapping: str, step: str = "", count: str = "0") -> None:
    seen = 0

    def progress(what: str, done: int, total: int) -> None:
        nonlocal seen
        seen += what == step
        if what == step and seen == int(count):
            os.kill(os.getpid(), signal.SIGKILL)

    import_log(engine_for(address), plan_import(Path(log), Path(mapping)), now=NOW, progress=progress)


if __name__ == "__main__":
    main(*sys.argv[1:])
