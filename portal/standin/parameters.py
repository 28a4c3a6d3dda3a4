"""Which parameters an endpoint takes, read strictly: unknown, missing and malformed ones are refused as Stripe does.

A table of fields maps each name to a reader. Readers accept both form text (v1) and JSON values (v2). An empty text
unsets an optional value and reads as None.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from portal.standin.refusals import bad_parameter

MOST_METADATA_KEYS = 50
LONGEST_METADATA_KEY = 40
LONGEST_METADATA_VALUE = 500
LONGEST_TEXT = 5000
LARGEST_AMOUNT = 99_999_999_99
WHOLE = re.compile(r"-?[0-9]{1,15}")
# Stripe takes at most twelve decimal places.
EXACT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")
RANGE_BOUNDS = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True)
class Field:
    read: Callable[[Any, str], Any]
    required: bool = False


Fields = Mapping[str, Field]


def read_parameters(fields: Fields, raw: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """The given values by name, as Python values. Raises: Refusal naming the first bad parameter."""
    for name in raw:
        if name not in fields:
            path = _path(within, name)
            raise bad_parameter(f"Received unknown parameter: {path}", path, code="parameter_unknown")
    for name, field in fields.items():
        path = _path(within, name)
        if field.required and raw.get(name) is None:
            raise bad_parameter(f"Missing required param: {path}.", path, code="parameter_missing")
        if field.required and raw[name] == "":
            message = f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset it."
            raise bad_parameter(message, path, code="parameter_invalid_empty")
    return {name: _value(fields[name], given, _path(within, name)) for name, given in raw.items()}


def text(*choices: str, required: bool = False, longest: int = LONGEST_TEXT) -> Field:
    def read(value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise bad_parameter(f"Invalid string: {value!r}", path, code="parameter_invalid_string")
        if len(value) > longest:
            raise bad_parameter(f"Invalid string: must be at most {longest} characters", path)
        if choices and value not in choices:
            raise bad_parameter(f"Invalid {path}: must be one of {', '.join(choices)}", path)
        return value

    return Field(read, required)


def currency_code(*, required: bool = False) -> Field:
    """Three letters, read in lower case as Stripe shows them."""

    def read(value: Any, path: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z]{3}", value):
            raise bad_parameter(f"Invalid currency: {value}", path)
        return value.lower()

    return Field(read, required)


def integer(least: int | None = None, most: int = LARGEST_AMOUNT, *, required: bool = False) -> Field:
    def read(value: Any, path: str) -> int:
        if not WHOLE.fullmatch(str(value)):
            raise bad_parameter(f"Invalid integer: {value}", path, code="parameter_invalid_integer")
        number = int(str(value))
        if least is not None and number < least:
            message = f"This value must be greater than or equal to {least}."
            raise bad_parameter(message, path, code="parameter_invalid_integer")
        if number > most:
            raise bad_parameter(f"This value must be less than or equal to {most}.", path)
        return number

    return Field(read, required)


def decimal_number(*, required: bool = False) -> Field:
    def read(value: Any, path: str) -> Decimal:
        if not EXACT.fullmatch(str(value)):
            raise bad_parameter(f"Invalid decimal: {value}", path, code="parameter_invalid_decimal")
        return Decimal(str(value))

    return Field(read, required)


def boolean(*, required: bool = False) -> Field:
    def read(value: Any, path: str) -> bool:
        if value in (True, "true", "True"):
            return True
        if value in (False, "false", "False"):
            return False
        raise bad_parameter(f"Invalid boolean: {value}", path)

    return Field(read, required)


def group(fields: Fields, *, required: bool = False) -> Field:
    def read(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise bad_parameter("Invalid object", path)
        return read_parameters(fields, value, path)

    return Field(read, required)


def many(item: Field, *, required: bool = False, most: int = 100) -> Field:
    def read(value: Any, path: str) -> list[Any]:
        if isinstance(value, dict) and all(key.isdigit() for key in value):
            value = [value[key] for key in sorted(value, key=int)]
        if not isinstance(value, list) or len(value) > most:
            raise bad_parameter(f"Invalid array, of at most {most} entries", path)
        return [_value(item, given, f"{path}[{index}]") for index, given in enumerate(value)]

    return Field(read, required)


def metadata() -> Field:
    def read(value: Any, path: str) -> dict[str, str | None]:
        if not isinstance(value, dict) or len(value) > MOST_METADATA_KEYS:
            raise bad_parameter(f"Invalid metadata: a hash of at most {MOST_METADATA_KEYS} keys", path)
        for key, given in value.items():
            if not (given is None or isinstance(given, str)):
                raise bad_parameter("Metadata values must be strings", f"{path}[{key}]")
            if len(key) > LONGEST_METADATA_KEY or len(given or "") > LONGEST_METADATA_VALUE:
                message = (
                    f"Metadata: keys up to {LONGEST_METADATA_KEY}, values up to {LONGEST_METADATA_VALUE} characters"
                )
                raise bad_parameter(message, f"{path}[{key}]")
        return {key: given or None for key, given in value.items()}

    return Field(read)


def moment_or_range() -> Field:
    """A timestamp, or a hash of gt, gte, lt, lte: read as a hash, a single moment as both gte and lte."""
    moment = integer(0)

    def read(value: Any, path: str) -> dict[str, int]:
        if isinstance(value, dict):
            return read_parameters(dict.fromkeys(RANGE_BOUNDS, moment), value, path)
        exact = moment.read(value, path)
        return {"gte": exact, "lte": exact}

    return Field(read)


def merged_metadata(old: dict[str, str], given: dict[str, str | None] | None) -> dict[str, str]:
    """Stripe merges metadata key by key; an empty value removes the key, an empty hash all of them."""
    if given is None:
        return {}
    merged: dict[str, str | None] = {**old, **given}
    return {key: value for key, value in merged.items() if value is not None}


def _value(field: Field, given: Any, path: str) -> Any:
    return None if given is None or given == "" else field.read(given, path)


def _path(within: str, name: str) -> str:
    return f"{within}[{name}]" if within else name
