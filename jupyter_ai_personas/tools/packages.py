"""The toolsets that packages provide: entry points, each loaded or broken."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable
from typing import Any

from jupyter_ai_personas.discovery import TOOLSETS_GROUP, Broken, Found, Stage, discover, one_line
from jupyter_ai_personas.tools.descriptions import ToolInfo, Toolset
from jupyter_ai_personas.tools.langchain import UnusableToolError, named_tools

__all__ = ["BUILTIN", "PackageToolsets"]

BUILTIN = "jupyter_ai_personas"
_RESERVED = frozenset({"notebook", "workspace", "kernel", "mcp"})


class PackageToolsets:
    """The toolsets of this process's packages by name. :meth:`load` blocks; the rest only reads."""

    def __init__(self, *, log: logging.Logger, entry_points: Iterable[Any] | None = None) -> None:
        """``entry_points`` stand in for the installed ones (tests)."""
        self._log = log
        self._entry_points = entry_points
        self._lock = threading.Lock()
        self._loaded = False
        self._tools: dict[str, Any] = {}
        self.toolsets: dict[str, Toolset] = {}
        self.broken: list[Broken] = []

    def load(self) -> None:
        """Import and call what is installed, once. Blocking: call it in a worker thread."""
        with self._lock:
            if self._loaded:
                return
            found, self.broken = discover(
                TOOLSETS_GROUP, entry_points=self._entry_points, wanted="callable"
            )
            for entry in found:
                self._add(entry)
            for problem in self.broken:
                self._log.warning("Toolset %s", problem)
            self._loaded = True

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
        """Return the LangChain tool of that full name, ``None`` if a package has no such tool."""
        tool = self._tools.get(name)
        return None if isinstance(tool, ToolInfo) else tool
