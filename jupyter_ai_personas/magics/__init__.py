"""``%ai`` and ``%%ai``, in notebooks and in IPython: ``%load_ext jupyter_ai_personas``.

The only room that imports IPython. Loading it imports no LangChain: the first request does.
"""

from __future__ import annotations

from typing import Any

from .ai import AiMagics as AiMagics

__all__ = ["AiMagics", "load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics; a second time, in place of the first ones."""
    unload_ipython_extension(ipython)
    ipython.register_magics(AiMagics(ipython))


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics back, and close what they opened."""
    magics = ipython.magics_manager.registry.pop("AiMagics", None)
    if magics is not None:
        magics.close()
        for kind in ("line", "cell"):
            ipython.magics_manager.magics[kind].pop("ai", None)
