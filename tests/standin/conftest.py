"""The stand-in's fixtures, for the tests in this folder."""

from tests.standin.fixtures import client, receiver, standin, standin_process

__all__ = ["client", "receiver", "standin", "standin_process"]
