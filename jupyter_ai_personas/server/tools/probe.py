"""Runs inside a notebook's kernel, where this source is evaluated in a separate namespace.

Only the standard library of any Python that kernels still have. It reads the user's namespace
without running user code: no ``repr``, property or ``__len__`` of the user's classes.
"""

from __future__ import annotations

import builtins
import contextlib
import inspect
import itertools
import json
import sys
from typing import Any

MAX_NAMES = 200
MAX_COLUMNS = 50
MAX_TEXT = 200
MAX_DOC = 4000
MAX_VALUES = 20000
HEAD = 5

LIBRARIES = {
    "cupy", "dask", "geopandas", "jax", "jaxlib", "numpy", "pandas", "polars", "pyarrow", "scipy",
    "tensorflow", "torch", "xarray",
}  # fmt: skip
SCALARS = (bool, int, float, complex, str, bytes, type(None))
CONTAINERS = (list, tuple, set, frozenset, dict)


class Answer:
    """The answer; its representation is JSON on one line of ASCII."""

    def __init__(self, data: Any) -> None:
        self.text = json.dumps(data)

    def __repr__(self) -> str:
        return self.text


def answer(request: Any) -> Any:
    """Return an object whose representation answers ``request``."""
    space = vars(sys.modules["__main__"])
    try:
        if "name" in request:
            return Answer(described(space, request["name"]))
        return Answer(variables(space))
    except Exception as error:
        return Answer({"error": type(error).__name__})


def variables(space: Any) -> Any:
    """Return names, types, shapes and short values of what the user has defined."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    hidden = getattr(shell, "user_ns_hidden", {})
    absent = object()
    names = [
        name
        for name, value in list(space.items())
        if not name.startswith("_") and hidden.get(name, absent) is not value
    ]
    found, room = [], MAX_VALUES
    for name in names[:MAX_NAMES]:
        one = dict(name=name, **about(space[name], values=room > 0))
        room -= len(json.dumps(one))
        found.append(one)
    data: Any = {"variables": found}
    if len(names) > MAX_NAMES:
        data["left_out"] = f"{len(names) - MAX_NAMES} of {len(names)} variables"
    return data


def described(space: Any, dotted: Any) -> Any:
    """Return type, signature and docstring of a name, such as ``pandas.DataFrame.merge``."""
    first, *rest = dotted.split(".")
    if first in space:
        value = space[first]
    elif first in vars(builtins):
        value = vars(builtins)[first]
    else:
        return {"error": f"there is no `{first}` in the kernel"}
    for part in rest:
        try:
            # Without running a property, or a `__getattr__`.
            value = inspect.getattr_static(value, part)
        except AttributeError:
            return {"error": f"`{dotted}` has no attribute `{part}`"}
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
    data = dict(name=dotted, **about(value))
    if callable(value):
        data["signature"] = signature(value)
    documented = value if callable(value) or kind(value) in ("module", "property") else type(value)
    doc = inspect.getdoc(documented)
    if isinstance(doc, str):
        data["docstring"] = doc[:MAX_DOC]
    return {key: each for key, each in data.items() if each is not None}


def signature(value: Any) -> Any:
    """Return a signature as text; defaults of the user's classes are named by their type."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    empty = inspect.Parameter.empty
    parameters = []
    for one in found.parameters.values():
        default = one.default if one.default is empty else Shown(short(one.default))
        parameters.append(one.replace(default=default, annotation=annotation(one.annotation)))
    found = found.replace(
        parameters=parameters, return_annotation=annotation(found.return_annotation)
    )
    return str(found)[:MAX_DOC]


def annotation(value: Any) -> Any:
    """Return an annotation if it is one of Python's own."""
    known = type(value).__module__ in ("builtins", "typing", "types") and type(value) is not object
    return value if known else inspect.Parameter.empty


class Shown:
    """Has a text as its representation."""

    def __init__(self, text: Any) -> None:
        self.text = text if isinstance(text, str) else json.dumps(text)

    def __repr__(self) -> str:
        return self.text


def kind(value: Any) -> Any:
    """Return the name of a type, with its module unless it is built in."""
    found = type(value)
    module = found.__module__
    plain = module in ("builtins", "__main__") or not isinstance(module, str)
    return found.__qualname__ if plain else f"{module}.{found.__qualname__}"


def about(value: Any, values: bool = True) -> Any:
    """Return the kind, size and content of a value."""
    found = type(value)
    data = {"type": kind(value)}
    if found in SCALARS:
        data["value"] = short(value)
    elif found in CONTAINERS:
        data["length"] = len(value)
        data["value"] = short(value)
    elif isinstance(found.__module__, str) and found.__module__.split(".")[0] in LIBRARIES:
        # A library may not be as expected: then its type is told.
        with contextlib.suppress(Exception):
            data.update(of_library(value))
    if not values:
        data.pop("value", None)
        data.pop("head", None)
    return data


def of_library(value: Any) -> Any:
    """Return shape, columns and head of an array or data frame."""
    data: Any = {}
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and all(isinstance(each, int) for each in shape):
        data["shape"] = list(shape)
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        data["dtype"] = str(dtype)[:MAX_TEXT]
    library, name = type(value).__module__.split(".")[0], type(value).__name__
    if name in ("DataFrame", "GeoDataFrame") and library in ("pandas", "geopandas"):
        columns = list(value.columns[:MAX_COLUMNS])
        types = list(value.dtypes.iloc[:MAX_COLUMNS])
        data["columns"] = [[short(a), str(b)] for a, b in zip(columns, types)]  # noqa: B905, new in Python 3.10
        rows = value.iloc[:HEAD, :MAX_COLUMNS].itertuples(index=False, name=None)
        data["head"] = [[short(each) for each in row] for row in rows]
    elif name == "Series" and library == "pandas":
        data["head"] = [short(each) for each in value.iloc[:HEAD]]
    elif name == "DataFrame" and library == "polars":
        columns = list(value.schema.items())[:MAX_COLUMNS]
        data["columns"] = [[a, str(b)] for a, b in columns]
        data["head"] = [[short(each) for each in row] for row in value.head(HEAD).rows()]
    elif name == "ndarray" and value.dtype.kind in "biufcSU":
        data["head"] = [short(each) for each in itertools.islice(value.flat, HEAD)]
    elif library == "numpy" and not data.get("shape"):
        data["value"] = short(value)
    return data


def short(value: Any, depth: int = 2) -> Any:
    """Return a value as short JSON; of what is not Python's or a library's own, its type."""
    found = type(value)
    if found in (bool, type(None)):
        return value
    if found is int:
        return value if value.bit_length() <= 53 else f"<int, {value.bit_length()} bits>"
    if found is float:
        return value if value == value and abs(value) != float("inf") else str(value)
    if found is str:
        return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "…"
    if found in (complex, bytes):
        return repr(value[:MAX_TEXT] if found is bytes else value)
    if found in CONTAINERS and depth:
        few = list(itertools.islice(value, HEAD))
        if found is dict:
            return {str(short(key, 0)): short(value[key], depth - 1) for key in few}
        return [short(each, depth - 1) for each in few]
    library = str(found.__module__).split(".")[0]
    if library in ("numpy", "pandas", "datetime", "decimal") and not getattr(value, "shape", ()):
        return str(value)[:MAX_TEXT]
    return f"<{kind(value)}>"
