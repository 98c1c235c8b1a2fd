"""Where files of the workspace are: URLs that open them in JupyterLab."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["lab_url"]


def lab_url(base_url: str, path: str, *, line: int | None = None, cell: str | None = None) -> str:
    """Return the URL that opens ``path`` at a cell, or else at a line, which counts from 1.

    ``base_url`` is the path of the server's URL. Without a server, where people read in a terminal,
    it is empty, and this returns the path, with ``:12`` for a line. Without ids in the notebook
    (``index-3``), it opens at its beginning.
    """
    place = path.strip("/")
    url = f"{base_url}lab/tree/{quote(place)}" if base_url else place or "."
    if cell is not None:
        return url if cell.startswith("index-") else f"{url}#cell-id={quote(cell, safe='')}"
    if line is None:
        return url
    return f"{url}#line={line}" if base_url else f"{url}:{line}"
