"""Values of a chat as the models of jupyterlab-chat, which packages for Jupyter AI use."""

from __future__ import annotations

from collections.abc import Mapping
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
    """Return a ``FileAttachment`` or a ``NotebookAttachment``."""
    from jupyterlab_chat import models

    if attachment.type == "notebook":
        cells = [
            {
                "id": id_,
                "input_type": "code",
                "selection": _selection(attachment.cell_selections.get(id_)),
            }
            for id_ in attachment.cells
        ]
        cell_models: Any = cells or None
        return models.NotebookAttachment(
            value=attachment.path, mimetype=attachment.mimetype, cells=cell_models
        )
    selection: Any = _selection(attachment.selection)
    if selection is not None:
        selection = models.AttachmentSelection(**selection)
    return models.FileAttachment(
        value=attachment.path, mimetype=attachment.mimetype, selection=selection
    )


def _selection(selection: Selection | None) -> dict[str, Any] | None:
    if selection is None:
        return None
    return {"start": selection.start, "end": selection.end, "content": selection.content}
