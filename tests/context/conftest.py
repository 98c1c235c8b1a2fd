from __future__ import annotations

import base64
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from support.images import png

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
