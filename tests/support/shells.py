"""Real IPython shells: one in this process; kernels and terminals are processes of their own."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import KernelManager

from jupyter_ai_personas.testing.openai_server import OpenAIServer

LAB_NOTEBOOK: Mapping[str, Any] = {"cellId": "4f1c", "deletedCells": [], "recordTiming": False}
"""The metadata of the requests of JupyterLab's notebook."""
WAIT = 180.0
"""Seconds that a kernel may take for anything, on a machine that is busy."""
PATIENCE: dict[str, Any] = {"timeout": WAIT, "iopub_timeout": WAIT, "startup_timeout": WAIT}
"""The same for a `NotebookClient`, which otherwise leaves out outputs that come 4 s late."""


class Shell:
    """A real IPython shell in this process, and what it printed."""

    def __init__(self, shell: InteractiveShell, capture: pytest.CaptureFixture[str]) -> None:
        self.ip = shell
        self._capture = capture

    def run(self, cell: str) -> str:
        """Run a cell that succeeds, and return what it printed."""
        out, error = self._run(cell)
        assert error is None, error
        return out

    def fail(self, cell: str) -> str:
        """Run a cell that fails, and return what it printed, the error included."""
        out, error = self._run(cell)
        assert error is not None
        return out

    def _run(self, cell: str) -> tuple[str, BaseException | None]:
        self._capture.readouterr()
        result = self.ip.run_cell(textwrap.dedent(cell).lstrip("\n"), store_history=True)
        printed = self._capture.readouterr()
        return printed.out + printed.err, result.error_before_exec or result.error_in_exec


@dataclass
class Done:
    """What a kernel said while it ran a cell: all messages, and its reply."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)

    def of(self, *types: str) -> list[dict[str, Any]]:
        """The contents of the messages of these types, in order."""
        return [m["content"] for m in self.messages if m["msg_type"] in types]

    @property
    def displayed(self) -> list[dict[str, Any]]:
        """What is displayed in the end: contents with ``data`` and ``metadata``."""
        shown: dict[str, dict[str, Any]] = {}
        for number, content in enumerate(self.of("display_data", "update_display_data")):
            shown[content.get("transient", {}).get("display_id", str(number))] = content
        return list(shown.values())

    @property
    def printed(self) -> str:
        """What went to standard output and standard error."""
        return "".join(content["text"] for content in self.of("stream"))


class Kernel:
    """A kernel in a process of its own: ``with Kernel() as kernel``. It inherits `os.environ`.

    Cells are sent as a front end does whose requests have this metadata.
    """

    metadata: Mapping[str, Any] = LAB_NOTEBOOK

    def __enter__(self) -> Self:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel()
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def start(self, cell: str) -> str:
        """Begin to run a cell, and return the request's id."""
        content = {
            "code": textwrap.dedent(cell).lstrip("\n"),
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": True,
        }
        session = self.client.session
        message = session.msg("execute_request", content, metadata=dict(self.metadata))
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def messages(self, request: str) -> Iterator[dict[str, Any]]:
        """Yield what the kernel says about a request as it says it, until it is idle."""
        until = time.monotonic() + WAIT
        while True:
            message = self.client.get_iopub_msg(timeout=until - time.monotonic())
            if message["parent_header"].get("msg_id") == request:
                if message["content"].get("execution_state") == "idle":
                    return
                yield message

    def finish(self, request: str) -> Done:
        """Return everything about a request once it is over."""
        done = Done(list(self.messages(request)))
        while not done.reply:
            reply = self.client.get_shell_msg(timeout=WAIT)
            if reply["parent_header"]["msg_id"] == request:
                done.reply = reply["content"]
        return done

    def run(self, cell: str) -> Done:
        """Run a cell that succeeds."""
        done = self.finish(self.start(cell))
        assert done.reply["status"] == "ok", "\n".join(done.reply.get("traceback", []))
        return done

    def fail(self, cell: str) -> Done:
        """Run a cell that fails."""
        done = self.finish(self.start(cell))
        assert done.reply["status"] == "error", done.messages
        return done


def asked(server: OpenAIServer, request: int = -1) -> list[tuple[str, str]]:
    """Return role and content of each message that a request carried."""
    messages = server.requests[request].json["messages"]
    return [(message["role"], message["content"]) for message in messages]
