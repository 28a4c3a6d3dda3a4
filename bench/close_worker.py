"""``python -m bench.close_worker``: close one period in a process of its own, saying each step on standard output.

One JSON object a line: the step and the seconds since the start; at the end the state and the most memory held.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from datetime import datetime

from portal import logs
from portal.config import Settings
from portal.db import engine_for
from portal.settlement.closing import close_period


def main(manufacturer_id: int, period_id: int, now: datetime) -> None:
    """Close it; again it goes on where the rows say it stopped."""
    logs.configure("ERROR")
    settings = Settings.from_env()
    engine = engine_for(settings.work_database_url or "")
    began = time.perf_counter()

    def say(**words: object) -> None:
        print(json.dumps({"seconds": round(time.perf_counter() - began, 3), **words}), flush=True)

    say(pid=os.getpid())
    state = close_period(
        engine, manufacturer_id, period_id, livemode=False, now=now, begins=lambda step: say(step=step)
    )
    say(state=state, peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
