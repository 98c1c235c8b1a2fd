"""Links to the changes of a turn, for the end of its reply."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.tools.changes import Change

__all__ = ["changed_links"]

MAX_LINKS = 10


def changed_links(changes: Sequence[Change], *, base_url: str | None) -> str:
    """Return a Markdown list of what ``changes`` left, or an empty string.

    ``base_url`` is the server's, such as ``/`` or ``/user/ada/``; without one nothing is linked.
    Each cell and file is named once, where it was changed last; deleted ones without a link.
    """
    latest = {(change.path, change.cell): change for change in changes}
    if not latest:
        return ""
    lines = [_line(change, base_url) for change in latest.values()]
    if (more := len(lines) - MAX_LINKS) > 0:
        lines[MAX_LINKS:] = [f"- and {more} more"]
    return "\n".join(["Changed:", *lines])


def _line(change: Change, base_url: str | None) -> str:
    where = code(change.path)
    if change.cell is None:
        text, gone = where, change.kind == "file" and change.after is None
    else:
        text, gone = f"{where}, cell {change.index + 1}", change.kind == "delete"
    if gone:
        return f"- {text} (deleted)"
    done = {"insert": "added", "run": "run", "move": "moved", "create": "created"}
    if change.kind == "file" and change.before is None:
        done["file"] = "created"
    what = done.get(change.kind, "changed")
    if base_url is None:
        return f"- {text} ({what})"
    url = f"{base_url.rstrip('/')}/lab/tree/{quote(change.path)}"
    if change.cell is not None:
        url += f"#cell-id={quote(change.cell, safe='')}"
    return f"- [{text}]({url}) ({what})"
