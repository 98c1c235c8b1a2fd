"""Models whose classes may override an inherited field by a plain assignment, as pydantic 1 did.

Providers of Jupyter AI v2 do: ``openai_api_base = "https://…"``, which pydantic 2 refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

__all__ = ["PlainOverrides"]

if TYPE_CHECKING:
    # Type checkers see no metaclass: they would find a conflict with those of LangChain's classes.
    PlainOverrides = BaseModel
else:

    class _Meta(type(BaseModel)):
        def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs):
            annotations = namespace.get("__annotations__", {})
            said = {key for base in bases for key in getattr(base, "__class_vars__", ())}
            plain = {
                key: field.annotation
                for base in reversed(bases)
                for key, field in getattr(base, "__pydantic_fields__", {}).items()
                if key in namespace and key not in annotations and key not in said
            }
            if plain:
                namespace["__annotations__"] = {**plain, **annotations}
            return super().__new__(mcs, name, bases, namespace, **kwargs)

    class PlainOverrides(BaseModel, metaclass=_Meta):
        """Gives a plain assignment the annotation of the field that it overrides."""
