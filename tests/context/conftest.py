from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient


def png(width: int = 2, height: int = 2) -> bytes:
    """A grey image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + b"\x80" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


CELLS = {
    "intro": ("markdown", "# Bees\n\nHow many bees visit."),
    "print": ("code", "import sys\nprint('hello')\nprint('careful', file=sys.stderr)"),
    "many": ("code", "for i in range(10_000):\n    print('line', i)"),
    "picture": (
        "code",
        "import base64\nfrom IPython.display import Image, display\n"
        f"display(Image(base64.b64decode('{base64.b64encode(png()).decode()}')))",
    ),
    "table": (
        "code",
        "from IPython.display import HTML\n"
        "HTML('<table><tr><th>bee</th><th>visits</th></tr><tr><td>Ada</td><td>3</td></tr></table>'"
        "'<script>alert(1)</script>')",
    ),
    "progress": ("code", "for i in range(3):\n    print(f'\\r{i + 1}/3', end='')"),
    "colours": ("code", "print('\\x1b[31mred\\x1b[0m')"),
    "fails": ("code", "def share(total, bees):\n    return total / bees\n\nshare(12, 0)"),
    "value": ("code", "{'bees': 3}"),
}


@pytest.fixture(scope="session")
def executed() -> dict[str, Any]:
    """A notebook that a kernel has run, as JSON."""
    cells = []
    for id_, (kind, source) in CELLS.items():
        new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        cells.append(new(source, id=id_))
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    NotebookClient(notebook, timeout=120, allow_errors=True).execute()
    return dict(nbformat.from_dict(notebook))


@pytest.fixture
def image() -> bytes:
    return png()
