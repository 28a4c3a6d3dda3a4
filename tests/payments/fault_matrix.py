"""``python -m tests.payments.fault_matrix``: every call against every fault, every event against every way to arrive.

Prints the two tables with what each cell came to, and the counts; ends with 1 when a cell is not right.
"""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import pytest

from portal.errors import PortalError
from tests.payments.fault_calls import FAULTS, try_call, writing_calls
from tests.payments.fault_events import ARRIVALS, handled_events, try_event
from tests.payments.fault_world import World, running_world
from tests.standin.process import running_standin
from tests.support.database import running_cluster

Row = tuple[str, list[str]]


def main() -> int:
    """Run all cells and print; 0 when all are right."""
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_cluster() as cluster,
        running_standin(Path(folder) / "standin.db") as standin,
        running_world(cluster, standin, Path(folder)) as world,
    ):
        calls = list(_rows(world, writing_calls(), tuple(FAULTS), try_call))
        events = list(_rows(world, handled_events(), tuple(ARRIVALS), try_event))
    _print("call", tuple(FAULTS), calls)
    _print("event", tuple(ARRIVALS), events)
    cells = [cell for _, row in (*calls, *events) for cell in row]
    right = cells.count("ok")
    took = time.perf_counter() - began
    click.echo(f"{len(calls)} calls x {len(FAULTS)} faults, {len(events)} events x {len(ARRIVALS)} arrivals:")
    click.echo(f"{right} of {len(cells)} cells right in {took:.0f} s; books equal to Stripe's balance after each")
    return 0 if right == len(cells) else 1


def _rows(
    world: World, names: Sequence[str], columns: Sequence[str], try_cell: Callable[[World, str, str], None]
) -> Iterator[Row]:
    for name in names:
        yield name, [_cell(world, name, column, try_cell) for column in columns]


def _cell(world: World, name: str, column: str, try_cell: Callable[[World, str, str], None]) -> str:
    try:
        try_cell(world, name, column)
    except (AssertionError, PortalError, pytest.fail.Exception):
        world.standin.control.clear_faults()
        click.echo(f"{name}, {column}:", err=True)
        click.echo(traceback.format_exc(), err=True)
        return "WRONG"
    return "ok"


def _print(what: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    table = [(what, *columns), *((name, *cells) for name, cells in rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    click.echo("")


if __name__ == "__main__":
    sys.exit(main())
