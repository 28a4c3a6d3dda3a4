"""Pages of cases: how they begin, and the files that go with them.

``blueprint`` loads and registers; ``opening`` is the way in: escalate, log a call, open a case; ``coverage`` says what
a decision means for whoever reads it; ``uploads`` keeps files before a case exists.
"""

from portal.web.cases import opening, uploads
from portal.web.cases.blueprint import blueprint

__all__ = ["blueprint", "opening", "uploads"]
