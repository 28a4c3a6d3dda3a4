"""The stand-in's fixtures, for the tests in this folder."""

from tests.standin.fixtures import client, receiver

__all__ = ["client", "receiver"]
