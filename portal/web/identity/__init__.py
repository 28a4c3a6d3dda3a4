"""Pages of sign-in: by password or by a company's own provider, and everybody's own security page.

``sign_in`` holds the password, the reset, the invitation and the security page; ``second_step`` what follows the
password; ``factors`` one's own second factors; ``address`` another address; ``looking_on`` an administrator's;
``company`` is the way to a provider and back, ``company_settings`` what an administrator sets about it,
``directory_settings`` the tokens of the organisation's directory.
"""

from portal.web.identity import (
    address,
    company,
    company_settings,
    directory_settings,
    factors,
    looking_on,
    second_step,
    sign_in,
)
from portal.web.identity.blueprint import blueprint

__all__ = [
    "address",
    "blueprint",
    "company",
    "company_settings",
    "directory_settings",
    "factors",
    "looking_on",
    "second_step",
    "sign_in",
]
