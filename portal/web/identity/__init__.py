"""Pages of sign-in: by password or by a company's own provider, and everybody's own security page.

``sign_in`` holds the password, the reset, the invitation and the security page.
"""

from portal.web.identity import sign_in
from portal.web.identity.blueprint import blueprint

__all__ = ["blueprint", "sign_in"]
