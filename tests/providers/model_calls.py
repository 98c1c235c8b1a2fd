"""Calls of models in tests, and waits for what a server must see."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
from langchain_core.messages import HumanMessage

from jupyter_ai_personas.providers import ModelReference, stream_model

ASK = [HumanMessage("why?")]
WAIT = 10.0
"""Seconds after which something is taken never to come; nothing but this process acts."""


async def until(wait: Any) -> None:
    """Wait in a thread for what the loopback server must see."""
    with anyio.fail_after(WAIT):
        await anyio.to_thread.run_sync(wait)


REFERENCE = ModelReference("some", "model")


def call(model: Any, messages: Any = ASK, **more: Any) -> Any:
    return stream_model(model, messages, reference=REFERENCE, **more)
