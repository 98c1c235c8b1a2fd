"""URLs that open files of the workspace in JupyterLab."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["lab_url"]


def lab_url(base_url: str, path: str, *, line: int | None = None, cell: str | None = None) -> str:
    """Return the URL that opens ``path`` at a cell, or else at a line, which counts from 1.

    ``base_url`` is the path of the server's URL. Without ids in the notebook (``index-3``), it
    opens at its beginning.
    """
    url = f"{base_url or '/'}lab/tree/{quote(path.strip('/'))}"
    if cell is not None:
        return url if cell.startswith("index-") else f"{url}#cell-id={quote(cell, safe='')}"
    return url if line is None else f"{url}#line={line}"
