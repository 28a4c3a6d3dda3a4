"""How often Python looks for cycles in a process that lives long: seldom, and never in what its start made."""

from __future__ import annotations

import gc

# A page or a job leaves few cycles: looking for them after each 700 new objects, Python's own number, takes a tenth of
# a page's time and a third of a bill's, because each full look goes through all that was ever imported.
_NEW_OBJECTS_BEFORE_COLLECTING = 10_000
# In a web worker: what a dozen pages leave, so that no more of it lies about in each.
OF_PAGES = 2_000


def collect_seldom(*, after: int = _NEW_OBJECTS_BEFORE_COLLECTING) -> None:
    """Leave what is there now to stay, and look through what comes less often: ``after`` so many new objects.

    What is frozen is shared by forking as long as nobody writes there; a worker's collector would write into all of it.
    """
    gc.freeze()
    gc.set_threshold(after)
    gc.enable()
