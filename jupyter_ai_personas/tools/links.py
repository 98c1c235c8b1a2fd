"""Links to the changes of a turn, for the end of its reply."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.context.answers.quoting import link
from jupyter_ai_personas.context.links import lab_url
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
    cell = "" if change.cell is None else f", cell {change.index + 1}"
    text = f"{code(change.path)}{cell}"
    if change.kind == "delete" or (change.kind == "file" and change.after is None):
        return f"- {text} (deleted)"
    done = {"insert": "added", "run": "run", "move": "moved", "create": "created"}
    if change.kind == "file" and change.before is None:
        done["file"] = "created"
    what = done.get(change.kind, "changed")
    if base_url is None:
        return f"- {text} ({what})"
    # Without a code span, in which JupyterLab does not show that this is a link.
    url = lab_url(base_url, change.path, cell=change.cell)
    return f"- {link(f'{change.path}{cell}', url)} ({what})"
