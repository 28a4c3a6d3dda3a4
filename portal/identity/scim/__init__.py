"""Provisioning: an organisation's directory says by SCIM 2.0 who belongs to it.

Promises: a token reaches its own organisation's people only; taking somebody away ends sessions and links in the same
transaction; nobody who belongs elsewhere is brought in without their own yes; every act is in the audit log.
"""
