"""What a row about work can depend on, and the circumstances it is asked about; a condition left out holds always.

Mode, band, task class and product line are the work's, role is its worker's, skill what it takes; plan, customer class,
severity and what the customer asked for are the case's.
"""

from __future__ import annotations

from typing import NamedTuple

from portal.contracts.blocks import Block, Code, Label, Mode, ProductLineCode, Severity, TaskClass


class Word(Block):
    """A word that this policy's rows use: a role, a skill, a customer class, something a customer can ask for."""

    code: Code
    """The name rows and time entries use."""
    label: Label | None = None
    """What people read; the code where left out."""


class CustomerClass(Word):
    """A class of customers, such as those with a contract."""

    lapsed_over_days: int | None = None
    """Customers whose plan ended more than this many days ago are of this class; of several the longest that fits."""


class Circumstance(NamedTuple):
    """What holds beside mode, band, task class, product line and plan; empty is unknown and meets no condition."""

    role: str = ""
    skill: str = ""
    customer_class: str = ""
    requested: tuple[str, ...] = ()
    severity: int = 0


ORDINARY = Circumstance()


class WorkKey(NamedTuple):
    """Some work, as conditions look at it."""

    mode: str
    band: str
    task_class: str
    product_line: str = ""
    plan: str = ""
    circumstance: Circumstance = ORDINARY


CONDITIONS = (
    "modes",
    "bands",
    "task_classes",
    "product_lines",
    "plans",
    "roles",
    "skills",
    "customer_classes",
    "requested",
    "severities",
)


class WorkConditions(Block):
    """The conditions of a row about work; all that are stated must hold."""

    modes: tuple[Mode, ...] = ()
    """Modes of work this row is for; any where left out."""
    bands: tuple[Code, ...] = ()
    """Bands this row is for; any where left out."""
    task_classes: tuple[TaskClass, ...] = ()
    """Task classes this row is for; any where left out."""
    product_lines: tuple[ProductLineCode, ...] = ()
    """Product lines this row is for; any where left out."""
    plans: tuple[Code, ...] = ()
    """Plans this row is for; any where left out. Intercompany rows name none."""
    roles: tuple[Code, ...] = ()
    """Roles of the worker this row is for; any where left out."""
    skills: tuple[Code, ...] = ()
    """Skills the work takes this row is for; any where left out."""
    customer_classes: tuple[Code, ...] = ()
    """Customer classes this row is for; any where left out."""
    requested: tuple[Code, ...] = ()
    """Holds when the customer asked for any of these; always where left out."""
    severities: tuple[Severity, ...] = ()
    """Severities this row is for; any where left out."""

    def fits(self, work: WorkKey) -> bool:
        """Whether the row is for this work."""
        about = work.circumstance
        pairs: tuple[tuple[tuple[object, ...], object], ...] = (
            (self.modes, work.mode),
            (self.bands, work.band),
            (self.task_classes, work.task_class),
            (self.product_lines, work.product_line),
            (self.plans, work.plan),
            (self.roles, about.role),
            (self.skills, about.skill),
            (self.customer_classes, about.customer_class),
            (self.severities, about.severity),
        )
        by_value = all(not allowed or value in allowed for allowed, value in pairs)
        return by_value and (not self.requested or not set(self.requested).isdisjoint(about.requested))

    @property
    def unconditional(self) -> bool:
        """Whether nothing is asked of the work."""
        return not any(getattr(self, name) for name in CONDITIONS)
