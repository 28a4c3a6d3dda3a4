"""Pages of cases: how they begin, lists, one case with its story, every step as a URL noun, mailed links.

Promises: a case is loaded as the actor may read it, or it does not exist; every form carries the version it was made
from, and a stale one is answered with what happened since and with everything that was typed; the database decides what
is read, this package only how it is said.

``blueprint`` loads and registers; ``opening`` and ``calls`` are the ways in: escalate, open a case, log a call;
``circumstances`` asks what prices depend on, ``intake`` completes a checklist, ``coverage`` says what a decision means
for whoever reads it; ``uploads`` keeps files before a case exists. ``acting`` is the one shape of a step, ``words``
says things; ``severity`` disputes it; ``correcting`` what was said of it; ``promises`` keeps and proves them;
``lists``, ``page``, ``custody``, ``notes``, ``changes``, ``resolution``, ``challenges`` and ``issues`` are the other
pages; ``mailed`` answers links from letters, ``first_page`` fills the sections of Today.
"""

from portal.web.cases import (
    calls,
    challenges,
    changes,
    claims,
    correcting,
    custody,
    first_page,
    intake,
    issues,
    lists,
    mailed,
    notes,
    opening,
    page,
    parts,
    promises,
    resolution,
    severity,
    uploads,
)
from portal.web.cases.blueprint import blueprint

__all__ = [
    "blueprint",
    "calls",
    "challenges",
    "changes",
    "claims",
    "correcting",
    "custody",
    "first_page",
    "intake",
    "issues",
    "lists",
    "mailed",
    "notes",
    "opening",
    "page",
    "parts",
    "promises",
    "resolution",
    "severity",
    "uploads",
]
