"""People, memberships, sign-in, sessions and mailed links.

Promises: sessions live on the server and can be revoked; a mailed link allows one act and signs nobody in; ending a
membership ends sessions and links in the same transaction.
"""
