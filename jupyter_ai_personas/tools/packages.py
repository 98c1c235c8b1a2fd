"""The toolsets that packages provide: entry points, each loaded or broken."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jupyter_ai_personas.discovery import (
    TOOLSETS_GROUP,
    Broken,
    Found,
    Stage,
    Watch,
    discover,
    one_line,
    unwatched,
)
from jupyter_ai_personas.tools.descriptions import ToolInfo, Toolset
from jupyter_ai_personas.tools.langchain import UnusableToolError, named_tools

__all__ = ["BUILTIN", "FoundToolsets", "PackageToolsets"]

BUILTIN = "jupyter_ai_personas"
_RESERVED = frozenset({"notebook", "workspace", "kernel", "mcp"})


@dataclass(frozen=True, slots=True)
class FoundToolsets:
    """The toolsets that a process has found; ``runnable`` as :attr:`PackageToolsets.runnable`."""

    toolsets: tuple[Toolset, ...]
    runnable: frozenset[str]
    broken: tuple[Broken, ...]


class PackageToolsets:
    """The toolsets of packages by name. :meth:`load` blocks; the rest only reads."""

    def __init__(
        self,
        *,
        log: logging.Logger,
        entry_points: Iterable[Any] | None = None,
        watch: Watch = unwatched,
    ) -> None:
        """``entry_points`` stand in for the installed ones (tests).

        ``watch`` is called before code of an entry point runs.
        """
        self._log = log
        self._entry_points = entry_points
        self._lock = threading.Lock()
        self._loaded = False
        self.watch = watch
        self._tools: dict[str, Any] = {}
        self.runnable: frozenset[str] = frozenset()
        """The full names of the tools that packages run, and do not only describe."""
        self.toolsets: dict[str, Toolset] = {}
        self.broken: list[Broken] = []

    def load(self) -> None:
        """Import and call what is installed, once. Blocking: call it in a worker thread."""
        with self._lock:
            if self._loaded:
                return
            found, self.broken = discover(
                TOOLSETS_GROUP,
                entry_points=self._entry_points,
                wanted="callable",
                watch=self.watch,
            )
            for entry in found:
                self.watch(entry.entry)
                self._add(entry)
            for problem in self.broken:
                self._log.warning("Toolset %s", problem)
            is_plain = {name: isinstance(tool, ToolInfo) for name, tool in self._tools.items()}
            self.runnable = frozenset(name for name, plain in is_plain.items() if not plain)
            self._loaded = True

    @property
    def found(self) -> FoundToolsets:
        """The result as plain data, for :meth:`adopt` in another process."""
        return FoundToolsets(tuple(self.toolsets.values()), self.runnable, tuple(self.broken))

    def adopt(self, found: FoundToolsets) -> None:
        """Take over what another process has found, and logged."""
        self.toolsets = {toolset.name: toolset for toolset in found.toolsets}
        self.runnable = found.runnable
        self.broken = list(found.broken)

    def _add(self, entry: Found) -> None:
        def broken(stage: Stage, error: str, fix: str) -> None:
            broken = Broken(entry.name, entry.distribution, entry.value, stage, error, fix)
            self.broken.append(broken)

        rename = f"Rename the entry point in group `{TOOLSETS_GROUP}` of `{entry.distribution}`"
        name, is_ours = entry.name, entry.distribution.replace("-", "_") == BUILTIN
        if not re.fullmatch(r"[\w-]+", name) or (name in _RESERVED and not is_ours):
            broken("class", f"a toolset cannot be named `{name}`", rename)
            return
        if name in self.toolsets:
            other = self.toolsets[name].source
            fix = f"{rename}, or uninstall `{entry.distribution}` or `{other}`"
            broken("duplicate", f"a toolset `{name}` comes from {other} already", fix)
            return
        fix = f"Fix, upgrade or uninstall `{entry.distribution}`"
        try:
            tools = named_tools(name, entry.distribution, entry.obj())
        except KeyboardInterrupt:
            raise
        except UnusableToolError as error:
            broken("instantiate", str(error), fix)
            return
        except BaseException as error:
            # The author's code runs here, which may well raise SystemExit.
            broken("instantiate", f"calling it raised {one_line(error)}", fix)
            return
        infos = tuple(info for info, _ in tools.values())
        self.toolsets[name] = Toolset(name, entry.distribution, infos)
        self._tools.update((full, tool) for full, (_, tool) in tools.items())
        self._log.info("Registered toolset `%s`.", name)

    @property
    def is_loaded(self) -> bool:
        """Whether :meth:`load` has been called."""
        return self._loaded

    def tool(self, name: str) -> Any:
        """Return the LangChain tool of that full name, ``None`` if this process has none."""
        return self._tools[name] if name in self.runnable and name in self._tools else None
