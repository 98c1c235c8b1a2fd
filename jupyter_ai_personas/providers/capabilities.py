"""Capabilities of a model, according to LangChain or its provider."""

from __future__ import annotations

from typing import Any

__all__ = ["max_input_tokens", "takes_images"]


def takes_images(model: Any) -> bool:
    """Return whether ``model`` is known to take images.

    By LangChain's profile of the model, which an operator may give as the parameter ``profile``;
    where that says nothing, by the provider's ``image_inputs``.
    """
    told = _profile(model).get("image_inputs")
    if told is None:
        told = getattr(type(model), "image_inputs", None)
    return told is True


def max_input_tokens(model: Any) -> int | None:
    """Return how many tokens ``model`` reads at most, by LangChain's profile; ``None``: unknown."""
    most = _profile(model).get("max_input_tokens")
    return most if isinstance(most, int) and most > 0 else None


def _profile(model: Any) -> dict[str, Any]:
    # LangChain has profiles from 1.1 on.
    profile = getattr(model, "profile", None)
    return profile if isinstance(profile, dict) else {}
