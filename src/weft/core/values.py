"""What a parameter's value is, how it is written for a hash, and the ways to spell many values at once.

Everything about single values lives here; how values combine into cases is in ``cases.py``. Two values are
the same value when their canonical texts are equal: 1 and 1.0 are, true and 1 are not. Ranges are computed
exactly, in fractions of the decimal numbers that the user wrote, so that 0 to 1 in steps of 0.1 holds 0.3 and
not 0.30000000000000004, on every machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING

from weft.errors import WeftError
from weft.model import Value

if TYPE_CHECKING:
    from fractions import Fraction

MOST_VALUES = 1_000_000
"""Values that one parameter may have; more is taken for a slip of the pen."""

LARGEST_INTEGER = 2**63 - 1
"""Beyond this TOML, Parquet and most models cannot follow."""


def canonical(value: Value) -> str:
    """Return the text by which values are compared and hashed: JSON in ASCII, integral floats as integers.

    Raises:
        WeftError: the value is not finite, or not a number, string, true, false or None.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise WeftError(f"{value} is not a finite number", hint="leave the value out, or use a string")
        return str(int(value)) if value.is_integer() else float.__repr__(value)
    if isinstance(value, str):
        return json.dumps(value)
    raise WeftError(
        f"{type(value).__name__} is not a kind of value",
        hint="a value is a number, a string, true or false; put a date in quotes",
    )


def check_value(value: object) -> Value:
    """Return ``value`` if a parameter may have it.

    Raises:
        WeftError: it is a list, a date, not finite, too large an integer, or a string with a NUL in it.
    """
    canonical(value)  # type: ignore[arg-type]
    if isinstance(value, int) and not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
        raise WeftError("the integer needs more than 64 bits", hint="write it as a float, or as a string")
    if isinstance(value, str) and "\0" in value:
        raise WeftError("the string holds a NUL character", hint="no program can be given one; leave it out")
    return value  # type: ignore[return-value]


def spell(way: str, spec: object, seed: object = 0) -> tuple[Value, ...]:
    """Return the values that ``way = spec`` stands for; ``way`` is one of ``WAYS``.

    Raises:
        WeftError: the specification makes no sense, or stands for no value or for too many.
    """
    if way == "repeat":
        return _seeds(spec, seed)
    return WAYS[way](spec)


def _range(spec: object) -> tuple[Value, ...]:
    """``[a, b]`` or ``[a, b, step]``: from a up to b, b left out, like Python's range but also for floats."""
    numbers = _numbers(spec, (2, 3), "range", "[first, end] or [first, end, step]; the end is left out")
    first, end = _exact(numbers[0]), _exact(numbers[1])
    step = _exact(numbers[2]) if len(numbers) == 3 else _exact(1)
    if step == 0:
        raise WeftError("the step of `range` is 0", hint="give a step above 0, or below 0 to count down")
    count = _count(max(0, math.ceil((end - first) / step)), "range")
    if all(isinstance(number, int) for number in numbers):
        return tuple(range(int(numbers[0]), int(numbers[1]), int(step)))
    return tuple(float(first + step * i) for i in range(count))


def _linspace(spec: object) -> tuple[Value, ...]:
    """``[a, b, n]``: n floats from a to b, both included, evenly spaced."""
    first, last, count = _ends(spec, "linspace")
    if count == 1:
        return (float(first),)
    return tuple(float(first + (last - first) * i / (count - 1)) for i in range(count))


def _logspace(spec: object) -> tuple[Value, ...]:
    """``[a, b, n]``: n floats from a to b (the values themselves, not exponents), each the same multiple of
    the last.

    Computed in decimals and rounded to 15 digits, so that the values, and with them the cases' ids, are the
    same on every machine.
    """
    from decimal import Context, Decimal

    first, last, count = _ends(spec, "logspace")
    if first <= 0 or last <= 0:
        raise WeftError("`logspace` goes from a number above 0 to a number above 0", hint=_ENDS_THEMSELVES)
    if count == 1:
        return (float(first),)
    exact, rounded = Context(prec=34), Context(prec=15)
    start = exact.divide(Decimal(first.numerator), Decimal(first.denominator))
    ratio = exact.divide(Decimal((last / first).numerator), Decimal((last / first).denominator))
    values = []
    for i in range(count):
        power = exact.power(ratio, exact.divide(Decimal(i), Decimal(count - 1)))
        values.append(float(rounded.plus(exact.multiply(start, power))))
    return (float(first), *values[1:-1], float(last))


_ENDS_THEMSELVES = "the ends are the values themselves, not exponents: logspace = [0.01, 100, 5]"


def _seeds(spec: object, seed: object) -> tuple[Value, ...]:
    """n different seeds of 31 bits; the first ones stay the same when n grows."""
    if not isinstance(spec, int) or isinstance(spec, bool):
        raise WeftError("`repeat` is not a whole number", hint="give how many seeds you want: repeat = 10")
    if not isinstance(seed, (int, str)) or isinstance(seed, bool):
        raise WeftError(
            "`seed` is not a whole number", hint="give any whole number: { repeat = 10, seed = 1 }"
        )
    count = _count(spec, "repeat")
    seeds: dict[int, None] = {}
    drawn = 0
    while len(seeds) < count:
        digest = blake2b(f"{seed}:{drawn}".encode(), digest_size=4).digest()
        seeds[int.from_bytes(digest, "big") & 0x7FFFFFFF] = None  # one drawn twice is kept once
        drawn += 1
    return tuple(seeds)


def _listed(spec: object) -> tuple[Value, ...]:
    """``[v, ...]``: the values as they stand."""
    if not isinstance(spec, (list, tuple)):
        raise WeftError("`values` is not a list", hint="write values = [1, 2, 3]")
    _count(len(spec), "values")
    return tuple(check_value(value) for value in spec)


WAYS: Mapping[str, Callable[[object], tuple[Value, ...]]] = {
    "values": _listed,
    "range": _range,
    "linspace": _linspace,
    "logspace": _logspace,
}


def _ends(spec: object, way: str) -> tuple[Fraction, Fraction, int]:
    first, last, count = _numbers(spec, (3,), way, "[first, last, how many]; both ends are included")
    if not isinstance(count, int):
        raise WeftError(f"how many values `{way}` has is not a whole number", hint=f"{way} = [0, 10, 11]")
    return _exact(first), _exact(last), _count(count, way)


def _numbers(spec: object, lengths: tuple[int, ...], way: str, form: str) -> list[int | float]:
    right = isinstance(spec, (list, tuple)) and len(spec) in lengths
    if not right or any(isinstance(n, bool) or not isinstance(n, (int, float)) for n in spec):  # type: ignore[attr-defined]
        raise WeftError(
            f"`{way}` is not a list of {' or '.join(map(str, lengths))} numbers", hint=f"{way} = {form}"
        )
    for number in spec:  # type: ignore[attr-defined]
        check_value(number)
    return list(spec)  # type: ignore[call-overload,no-any-return]


def _count(count: int, way: str) -> int:
    if count < 1:
        raise WeftError(f"`{way}` stands for no value at all", hint="a parameter needs one value or more")
    if count > MOST_VALUES:
        raise WeftError(
            f"`{way}` stands for {count:,} values"
            if count < 10**15
            else f"`{way}` stands for too many values",
            hint=f"a parameter may have {MOST_VALUES:,}; a larger step, perhaps",
        )
    return count


def _exact(number: int | float) -> Fraction:
    """The number as the user wrote it: 0.1 is a tenth, not the binary fraction nearest to it."""
    from fractions import Fraction

    return Fraction(float.__repr__(number)) if isinstance(number, float) else Fraction(number)
