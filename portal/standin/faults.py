"""Faults that a test injects into the next matching calls.

lose_answer    executes and commits, then closes the connection without a word
break_body     executes and commits, then breaks off in the middle of the body
error_kept     answers 500 and keeps it under the key; with ``execute`` the effect happens all the same
error_before   answers 500 before the endpoint executes; nothing is kept
rate_limit     answers 429; nothing is kept
refuse         answers 400 before the endpoint executes, as for parameters that are wrong; nothing is kept
delay          waits ``seconds`` before executing
hold_before    waits before executing, until released
hold_after     executes and commits, then waits before answering, until released
"""

import re
import threading
from dataclasses import dataclass, field, replace

KINDS = (
    "lose_answer",
    "break_body",
    "error_kept",
    "error_before",
    "rate_limit",
    "refuse",
    "delay",
    "hold_before",
    "hold_after",
)
LONGEST_HOLD_SECONDS = 60.0


@dataclass
class Fault:
    kind: str
    method: str = ".*"
    path: str = ".*"
    times: int = 1
    seconds: float = 0.0
    execute: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    def matches(self, method: str, path: str) -> bool:
        return bool(re.fullmatch(self.method, method) and re.fullmatch(self.path, path))


class Faults:
    """The faults still to come, and how many calls are held at this moment."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._coming: list[Fault] = []
        self._holding: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._changed:
            self._coming.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault that matches, used up by one."""
        with self._changed:
            for fault in self._coming:
                if fault.matches(method, path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._coming.remove(fault)
                    return replace(fault, released=threading.Event())
        return None

    def hold(self, fault: Fault) -> None:
        with self._changed:
            self._holding.append(fault)
            self._changed.notify_all()
        fault.released.wait(LONGEST_HOLD_SECONDS)
        with self._changed:
            self._holding.remove(fault)
            self._changed.notify_all()

    def wait_until_held(self, *, seconds: float, calls: int = 1) -> bool:
        """True once that many calls are being held; False when the time is over first."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._holding) >= calls, timeout=seconds)

    def release(self) -> int:
        with self._changed:
            for fault in self._holding:
                fault.released.set()
            return len(self._holding)

    def clear(self) -> None:
        with self._changed:
            self._coming.clear()
        self.release()

    def left(self) -> int:
        with self._changed:
            return sum(fault.times for fault in self._coming)
