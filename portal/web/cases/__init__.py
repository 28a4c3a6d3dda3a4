"""Pages of cases: how they begin, and the files that go with them.

``blueprint`` loads and registers; ``opening`` and ``calls`` are the ways in: escalate, open a case, log a call;
``coverage`` says what a decision means for whoever reads it; ``uploads`` keeps files before a case exists.
"""

from portal.web.cases import calls, opening, uploads
from portal.web.cases.blueprint import blueprint

__all__ = ["blueprint", "calls", "opening", "uploads"]
