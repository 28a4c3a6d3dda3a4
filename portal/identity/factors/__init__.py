"""Second factors: codes from an authenticator app, passkeys, recovery codes; when they are asked, and the step-up.

Promises: a factor that was used once is used; a browser half signed in is no session and reaches nothing; a step-up is
bound to one session and lasts minutes. A code generator's secret is sealed (``identity.sealing``), a recovery code is
kept as a hash, a passkey as its public key.

Neighbours: ``identity.actions`` asks ``entering`` whether a password is enough; ``web`` shows the pages. ``rules``
holds every decision as a pure function; ``generators``, ``recovery`` and ``passkeys`` prove one kind of factor each;
``proving`` puts a proof to use. It is built so because each decision then has its table of cases without a database.
"""
