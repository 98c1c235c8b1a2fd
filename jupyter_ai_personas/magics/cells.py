"""Variables, and cells' inputs, outputs and errors, that a prompt can insert."""

from __future__ import annotations

import sys
import traceback
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import IPython

from ..errors import MagicsError
from .interpolation import CELL_REFERENCE

__all__ = ["CellError", "Cells"]

_MOST_ERRORS = 100
_MOST_CHARS = 20_000  # of a traceback
_IPYTHON = str(Path(IPython.__file__).parent)


@dataclass(frozen=True, slots=True)
class CellError:
    """An exception as text; ``code`` is the cell that raised it, or ``None`` if unknown."""

    trace: str
    code: str | None = None


class Cells(Mapping[str, str]):
    """Maps ``x``, ``In[3]``, ``Out[2]`` and ``Err[5]`` to text, as :func:`interpolate` wants.

    Each cell counts as contained; looking it up raises :class:`MagicsError` if its value is
    missing. :meth:`record` adds errors; the newest hundred are kept.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._errors: OrderedDict[int, str] = OrderedDict()
        # Ignore the exception that `sys` holds from before `%load_ext`.
        self._shown = _shown_error()
        self._last = self._without_code(self._shown)

    def record(self, result: Any) -> None:
        """Record the error of a failed cell; IPython calls this after each cell."""
        error = result.error_before_exec or result.error_in_exec
        if error is None:
            return
        self._shown = _shown_error()
        if _is_ours(error):
            return
        trace = self._traceback_text(error)
        self._last = CellError(trace, result.info.raw_cell)
        # Cells that are not stored in the history have no number.
        if result.execution_count is not None:
            self._errors[result.execution_count] = trace
            self._errors.move_to_end(result.execution_count)
            if len(self._errors) > _MOST_ERRORS:
                self._errors.popitem(last=False)

    def last_error(self) -> CellError | None:
        """Return the last error, with its cell if known."""
        shown = _shown_error()
        # Errors of widget callbacks and silent cells are shown but not recorded.
        is_newer = shown is not self._shown
        return (self._without_code(shown) if is_newer else None) or self._last

    def input(self, number: int) -> str:
        """Return a cell's input as it was typed. Raises :class:`MagicsError`."""
        inputs = self._shell.history_manager.input_hist_raw
        if not 0 < number < len(inputs):
            raise MagicsError(f"There is no `In[{number}]`: no cell with that number was run here.")
        return str(inputs[number])

    def _without_code(self, error: BaseException | None) -> CellError | None:
        if error is None or _is_ours(error):
            return None
        return CellError(self._traceback_text(error))

    def _traceback_text(self, error: BaseException) -> str:
        trace = _without_ipython(error.__traceback__)
        text = "".join(traceback.format_exception(type(error), error, trace)).strip()
        # A cell's file is temporary; its name means nothing.
        for file in {frame.f_code.co_filename for frame, _ in traceback.walk_tb(trace)}:
            if (name := self._shell.compile.format_code_name(file)) is not None:
                text = text.replace(f'File "{file}"', " ".join(name))
        # The end of a traceback is most informative.
        return text if len(text) <= _MOST_CHARS else f"…{text[-_MOST_CHARS:]}"

    def __contains__(self, name: object) -> bool:
        if CELL_REFERENCE.fullmatch(str(name)):
            return True
        variables, hidden = self._shell.user_ns, self._shell.user_ns_hidden
        # IPython adds names to the user's namespace, such as `open`, `exit` and `quit`.
        return name in variables and not (name in hidden and hidden[name] is variables[name])

    def __getitem__(self, name: str) -> str:
        cell = CELL_REFERENCE.fullmatch(name)
        if cell is None:
            return _text(name, self._shell.user_ns[name])
        number = int(cell[2])
        if cell[1] == "In":
            return self.input(number)
        if cell[1] == "Out":
            outputs = self._shell.history_manager.output_hist
            if number not in outputs:
                raise MagicsError(f"There is no `{name}`: that cell ended without a value.")
            return _text(name, outputs[number])
        if number not in self._errors:
            raise MagicsError(f"There is no `{name}`: that cell raised nothing.")
        return self._errors[number]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._shell.user_ns if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _shown_error() -> BaseException | None:
    """Return the exception whose traceback Python showed last."""
    # `last_exc` came with Python 3.12.
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)


def _is_ours(error: BaseException) -> bool:
    return isinstance(error, MagicsError | KeyboardInterrupt)


def _text(name: str, value: Any) -> str:
    try:
        return str(value)
    except Exception as error:
        raise MagicsError(
            f"`{name}` cannot be inserted: its `str()` raises {type(error).__name__}: {error}"
        ) from error


def _without_ipython(trace: TracebackType | None) -> TracebackType | None:
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_IPYTHON):
        first = first.tb_next
    return first or trace
