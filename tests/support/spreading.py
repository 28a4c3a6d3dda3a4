"""How tests are spread over processes: one by one, but those of a group in one process.

A module says ``pytestmark = pytest.mark.xdist_group("demo")`` when what its tests share is dear to set up. pytest-xdist
3.8 writes the groups where pytest 9.2 does not look any more, so they are read from the files here.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).resolve().parents[2]
_GROUP = re.compile(r'^pytestmark = .*\bxdist_group\("(\w+)"\)', re.MULTILINE)


class Spreading(LoadScopeScheduling):
    """Gives out tests one by one, and those of a group at once."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0]) or nodeid

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Forget what is done: to count what a process still has to do, all that it was ever given is gone through."""
        super().mark_test_complete(node, item_index, duration)
        given = self.assigned_work[node]
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(given[scope].values()):
            del given[scope]


@cache
def group_of(file: str) -> str | None:
    """The group that a module of tests names."""
    found = _GROUP.search((ROOT / file).read_text(encoding="utf-8"))
    return found.group(1) if found else None
