"""Pages of the directory: systems with their warranty, Day 1 and punch list; organisations, sites, who services what.

``systems`` is what everybody reads; ``companies`` and ``service`` are the manufacturer's administrator's.
"""

from portal.web.directory import companies, service, systems
from portal.web.directory.blueprint import blueprint

__all__ = ["blueprint", "companies", "service", "systems"]
