"""Values of a chat as the models of jupyterlab-chat, which packages for Jupyter AI use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jupyter_ai_personas.chat.messages import Attachment, Selection

__all__ = ["attachment_model", "message_model", "user_model"]

_MESSAGE = (
    *("time", "type", "raw_time", "deleted", "edited", "mentions"),
    *("attachments", "metadata", "mime_model"),
)


def message_model(raw: Mapping[str, Any]) -> Any:
    """Return a ``Message``; ``raw`` has at least ``id``, ``sender`` and ``body``."""
    from jupyterlab_chat.models import Message

    given = {key: raw[key] for key in _MESSAGE if raw.get(key) is not None}
    known = Message.__dataclass_fields__
    given = {key: value for key, value in given.items() if key in known}
    body = raw.get("body")
    return Message(
        id=raw["id"],
        sender=str(raw.get("sender") or ""),
        body=body if isinstance(body, str) else "",
        **{"time": 0.0, **given},
    )


def user_model(raw: Mapping[str, Any]) -> Any:
    """Return a ``User``."""
    from jupyterlab_chat.models import User

    user: Any = User
    keys = ("username", "name", "display_name", "initials", "avatar_url", "color", "bot")
    return user(**{key: raw[key] for key in keys if raw.get(key) is not None})


def attachment_model(attachment: Attachment) -> Any:
    """Return a ``FileAttachment`` or ``NotebookAttachment`` that can be read as a dictionary."""
    readable = _readable_models()
    if attachment.type == "notebook":
        cells = [
            readable["NotebookAttachmentCell"](
                id=id_,
                input_type="code",
                selection=_selection(attachment.cell_selections.get(id_)),
            )
            for id_ in attachment.cells
        ]
        return readable["NotebookAttachment"](
            value=attachment.path, mimetype=attachment.mimetype, cells=cells or None
        )
    return readable["FileAttachment"](
        value=attachment.path,
        mimetype=attachment.mimetype,
        selection=_selection(attachment.selection),
    )


def _selection(selection: Selection | None) -> Any:
    if selection is None:
        return None
    return _readable_models()["AttachmentSelection"](
        start=selection.start, end=selection.end, content=selection.content
    )


@cache
def _readable_models() -> dict[str, Any]:
    """Return the models of attachments by name, whose objects are dictionaries too.

    They were dictionaries in earlier versions of jupyterlab-chat.
    """
    from jupyterlab_chat import models

    names = ("FileAttachment", "NotebookAttachment", "NotebookAttachmentCell")
    return {
        name: type(name, (_Readable, getattr(models, name)), {})
        for name in (*names, "AttachmentSelection")
    }


class _Readable:
    """Reads attributes as the items of a dictionary."""

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self, key)
        except AttributeError:
            raise KeyError(key) from None

    def get(self, key: str, default: Any = None) -> Any:
        """Return the attribute ``key``, or ``default``."""
        return getattr(self, key, default)
