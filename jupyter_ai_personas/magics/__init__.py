"""``%ai`` and ``%%ai``, in notebooks and in IPython: ``%load_ext jupyter_ai_personas``.

The only package that imports IPython. The first request imports LangChain.
"""

from __future__ import annotations

from typing import Any

from .ai import AiMagics

__all__ = ["AiMagics", "load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics; replace those of an earlier call."""
    unload_ipython_extension(ipython)
    ipython.register_magics(AiMagics(ipython))


def unload_ipython_extension(ipython: Any) -> None:
    """Remove the magics and close their resources."""
    magics = ipython.magics_manager.registry.pop("AiMagics", None)
    if magics is not None:
        magics.close()
        for kind in ("line", "cell"):
            ipython.magics_manager.magics[kind].pop("ai", None)
