"""Batches of cases compared by several processes, for periods that hold many; their order stays.

Reading and rating a case is work of one core, and no case needs what another has found. Each process opens the database
for itself, under the same role; one that ends early ends the comparison with an error.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from portal.db import engine_for
from portal.lazily import lazily
from portal.whatif.batching import Memory, Seen, compared
from portal.whatif.question import Question
from portal.whatif.rules.tally import Tally

if TYPE_CHECKING:
    import multiprocessing
    from concurrent import futures
else:
    futures, multiprocessing = lazily("concurrent.futures"), lazily("multiprocessing")

PROCESSES_AT_MOST = 4
# Batches that wait for each process, so that none is idle and few are held.
AHEAD = 2
# People at their pages go first.
NICER = 5
MADE_BETWEEN_LOOKS = 50_000


@dataclass(frozen=True)
class _Mine:
    """What a process compares with, from its beginning to its end."""

    engine: Engine
    question: Question
    memory: Memory


_mine: list[_Mine] = []


def compared_apart(engine: Engine, question: Question, batches: Iterable[Sequence[int]], seen: Seen) -> Iterator[Tally]:
    """The batches in their order, each counted by one of the processes; ``seen`` learns what they have seen."""
    address = engine.url.render_as_string(hide_password=False)
    processes = min(os.cpu_count() or 1, PROCESSES_AT_MOST)
    begin = (address, question, seen.currency)
    with futures.ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin, begin) as pool:
        waiting: deque[futures.Future[tuple[Tally, Seen]]] = deque()
        for ids in batches:
            waiting.append(pool.submit(_compare, ids))
            if len(waiting) > AHEAD * processes:
                yield _learnt(waiting.popleft(), seen)
        while waiting:
            yield _learnt(waiting.popleft(), seen)


def _learnt(future: futures.Future[tuple[Tally, Seen]], seen: Seen) -> Tally:
    tally, theirs = future.result()
    seen.learn(theirs)
    return tally


def _begin(address: str, question: Question, currency: str) -> None:
    """Make a process ready."""
    os.nice(NICER)
    # Almost all that a batch makes goes with it; looking for what does not costs a tenth of the time.
    gc.freeze()
    gc.set_threshold(MADE_BETWEEN_LOOKS, 20, 100)
    _mine.append(_Mine(engine_for(address), question, Memory(Seen(currency=currency))))


def _compare(ids: Sequence[int]) -> tuple[Tally, Seen]:
    (mine,) = _mine
    return compared(mine.engine, mine.question, ids, mine.memory), mine.memory.seen
