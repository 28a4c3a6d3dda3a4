"""Sign-in through an organisation's own OpenID Connect provider.

Promises: the provider speaks for its own organisation only, so a session it opens never acts for another one; whom a
provider's account belongs to is confirmed by that person, never concluded from an address; every answer of a provider
is doubted (state, nonce, code, issuer, audience, time, algorithm, key) before anything is done with it.

``rules`` decides, ``tokens`` verifies signatures, ``provider`` speaks HTTP, ``settings`` is what an administrator
sets, ``domains`` routes addresses, ``flows`` is one sign-in from leaving to coming back, ``signing_in`` opens the
session, ``linking`` ties an account to a person, ``logout`` ends sessions on the provider's word, ``requirement`` says
who has to come through the provider.
"""
