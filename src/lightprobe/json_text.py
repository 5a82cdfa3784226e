"""The one way that values become JSON, whatever their type, and whatever a file may be called."""

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_json(
    value: Any, *, ascii_only: bool = False, indent: int | None = None, require_finite: bool = False
) -> str:
    r"""Write a value as one JSON text that UTF-8 can hold.

    NumPy's numbers and arrays are written as Python's, paths as text, tuples as lists. A number that is none
    (NaN, infinity), for which JSON has no word, is null. A file name that is no text in UTF-8 keeps its bytes
    as `\udc80` to `\udcff`: reading the JSON gives the very name back, and `os.fsencode` its bytes.

    Parameters
    ----------
    ascii_only : bool
        Escape everything beyond ASCII: for streams of another encoding.
    indent : int, optional
    require_finite : bool
        Raise ValueError for a number that is none: where a null could not be read back.

    Raises
    ------
    TypeError
        If a value is of another type; the message says where it stands.
    """
    plain = json_value(value, require_finite=require_finite)
    text = json.dumps(plain, ensure_ascii=ascii_only, indent=indent, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(plain, indent=indent, allow_nan=False)
    return text


def json_value(value: Any, *, require_finite: bool = False, at: str = "") -> Any:
    """Return a value as JSON knows it: null, true, false, numbers, text, lists, and mappings from text."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        if require_finite:
            raise ValueError(f"{at or 'the value'} is {value}, which JSON cannot hold")
        return None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {
            _key(key, at): json_value(one, require_finite=require_finite, at=f"{at}.{key}".lstrip("."))
            for key, one in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [
            json_value(one, require_finite=require_finite, at=f"{at}[{place}]")
            for place, one in enumerate(value)
        ]
    raise TypeError(f"{at or 'the value'} is of type {type(value).__name__}, which JSON cannot hold")


def _key(key: Any, at: str) -> str:
    if isinstance(key, np.generic):
        key = key.item()
    if isinstance(key, (str, int)) and not isinstance(key, bool):
        return str(key)
    raise TypeError(f"a key in {at or 'the value'} is of type {type(key).__name__}: JSON's keys are text")
