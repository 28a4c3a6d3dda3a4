"""Pages of the directory: systems with their warranty, Day 1 and punch list; organisations, sites, who services what.

``systems`` is what everybody reads; ``companies``, ``service`` and ``certificates`` are kept by the manufacturer.
"""

from portal.web.directory import certificates, companies, service, systems
from portal.web.directory.blueprint import blueprint

__all__ = ["blueprint", "certificates", "companies", "service", "systems"]
