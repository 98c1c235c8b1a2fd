"""The toolset ``kernel``: inspects a Python kernel without leaving a trace.

A request that is silent is no cell: it has no number and no history. Its expression is evaluated
in the user's namespace and binds no name there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.errors import ToolCallError
from jupyter_ai_personas.redaction import names_a_secret, redact
from jupyter_ai_personas.server.tools.documents import Notebooks
from jupyter_ai_personas.server.tools.executor import Tool
from jupyter_ai_personas.server.tools.kernels import Kernel, Kernels
from jupyter_ai_personas.tools import CallContext, Preview

__all__ = ["InspectTools"]

IDLE_SECONDS = 2.0
"""How long a call waits for a kernel that is busy."""

ANSWER_SECONDS = 10.0
"""How long a kernel may take to answer."""

_PROBE = Path(__file__).with_name("probe.py").read_text("utf-8")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_VALUES = ("value", "head")


class InspectTools:
    """``kernel.variables`` and ``kernel.inspect``."""

    def __init__(self, notebooks: Notebooks, kernels: Kernels) -> None:
        self._notebooks = notebooks
        self._kernels = kernels

    def tools(self) -> list[Tool]:
        """Return what runs each tool."""
        return [
            Tool("kernel.variables", self._variables, self._preview),
            Tool("kernel.inspect", self._inspect, self._preview),
        ]

    async def _variables(
        self, context: CallContext, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        found = await self._ask(arguments["path"], {})
        return {**found, "variables": [without_secrets(each) for each in found["variables"]]}

    async def _inspect(self, context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        name = arguments["name"].strip()
        if not _DOTTED.fullmatch(name):
            raise ToolCallError(
                f"{code(name[:80])} is no name. Give a variable or attribute, such as "
                "`df` or `pandas.DataFrame.merge`; nothing is evaluated."
            )
        return without_secrets(await self._ask(arguments["path"], {"name": name}))

    async def _preview(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        path = await self._notebooks.path(arguments["path"])
        kernel = await self._kernel(path)
        what = f", {arguments['name']}" if "name" in arguments else ""
        note = "Names, types and short values in the kernel are given to the model."
        return Preview(
            target=f"{path}, kernel {kernel.name}{what}", note=note, covers=("path", "name")
        )

    async def _kernel(self, path: str) -> Kernel:
        kernel = await self._kernels.of_notebook(path)
        if kernel is None:
            raise ToolCallError(
                f"{code(path)} has no kernel that runs. Run one of its cells first."
            )
        spec = (await self._kernels.specs()).get(kernel.name, {}).get("spec", {})
        if spec.get("language", "").casefold() != "python":
            raise ToolCallError(
                f"The kernel of {code(path)} is {code(kernel.name)}; only Python kernels can be "
                "read."
            )
        return kernel

    async def _ask(self, path: str, request: Mapping[str, Any]) -> dict[str, Any]:
        path = await self._notebooks.path(path)
        kernel = await self._kernel(path)
        # By way of the module: the user may have given the names of built-in functions to others.
        expression = (
            "(lambda b, n: (b.exec(b.compile("
            f"{_PROBE!r}, '<jupyter_ai_personas>', 'exec'), n), n['answer']({dict(request)!r}))[1])"
            "(__import__('builtins'), {'__name__': '_jupyter_ai_personas'})"
        )
        async with self._kernels.client(kernel, busy_seconds=IDLE_SECONDS) as (client, _):
            try:
                reply = await client.execute(
                    "",
                    silent=True,
                    store_history=False,
                    user_expressions={"answer": expression},
                    allow_stdin=False,
                    stop_on_error=False,
                    reply=True,
                    timeout=ANSWER_SECONDS,
                )
            except TimeoutError:
                raise ToolCallError(
                    f"The kernel of {code(path)} did not answer in {ANSWER_SECONDS:g} seconds. Try "
                    "again when it is idle."
                ) from None
        return _parsed(reply["content"].get("user_expressions", {}).get("answer", {}), path)


def _parsed(answer: Mapping[str, Any], path: str) -> dict[str, Any]:
    try:
        found = json.loads(answer["data"]["text/plain"])
    except (KeyError, ValueError):
        why = str(answer.get("ename", "no answer"))
        raise ToolCallError(
            f"The kernel of {code(path)} cannot be read ({code(why[:80])}). Its Python may be too "
            "old."
        ) from None
    if "error" in found:
        raise ToolCallError(f"Nothing was found: {found['error']}.")
    return dict(found)


def without_secrets(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a variable, without the values of one that is named as a secret."""
    if names_a_secret(str(described.get("name", ""))) and set(_VALUES) & set(described):
        described = {key: value for key, value in described.items() if key not in _VALUES}
        return {**described, "value": "(not shown: its name is that of a secret)"}
    known = {key: _redacted(value) for key, value in described.items()}
    columns = [
        isinstance(name, str) and names_a_secret(name) for name, _ in known.get("columns", ())
    ]
    if any(columns) and "head" in known:
        known["head"] = [
            [
                "(not shown)" if secret else value
                for value, secret in zip(row, columns, strict=False)
            ]
            for row in known["head"]
        ]
    return known


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(each) for each in value]
    if isinstance(value, dict):
        return {
            key: "(not shown)" if names_a_secret(key) else _redacted(each)
            for key, each in value.items()
        }
    return value
