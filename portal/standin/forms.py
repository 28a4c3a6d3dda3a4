"""Form bodies and query strings with nested brackets, as the v1 API encodes hashes and lists.

``a[b][c]=1`` becomes ``{"a": {"b": {"c": "1"}}}``. Lists stay dictionaries keyed "0", "1", ...: only the parameter
table knows which names are lists, and metadata may have keys that are digits.
"""

import re
from collections.abc import Iterable
from typing import Any

from portal.standin.refusals import bad_parameter

NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
MOST_LEVELS = 10


def decode(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Raises: Refusal for a malformed name or a name used both as value and as hash."""
    decoded: dict[str, Any] = {}
    for name, value in pairs:
        match = NAME.fullmatch(name)
        if not match:
            raise bad_parameter(f"Invalid parameter name: {name}", name)
        keys = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if len(keys) > MOST_LEVELS:
            raise bad_parameter(f"Parameter nested too deeply: {name}", name)
        _place(decoded, keys, name=name, value=value)
    return decoded


def _place(target: dict[str, Any], keys: list[str], *, name: str, value: str) -> None:
    for key in keys[:-1]:
        target = target.setdefault(key or str(len(target)), {})
        if not isinstance(target, dict):
            raise bad_parameter(f"Invalid hash: {name}", name)
    last = keys[-1] or str(len(target))
    if isinstance(target.get(last), dict):
        raise bad_parameter(f"Invalid hash: {name}", name)
    target[last] = value
