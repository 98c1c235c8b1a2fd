"""Finds configuration files that Jupyter could not apply.

Jupyter logs an error in a file and continues without the file. From ``jupyter_server_config.d`` it
reads only which extensions are enabled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jupyter_core.application import JupyterApp

__all__ = ["unread_files"]

_SECTION = "AiExtension"


def unread_files(*apps: JupyterApp) -> Iterator[str]:
    """Yield a line about each file that some of ``apps`` should have read, and could not."""
    seen: set[Path] = set()
    for app in apps:
        loaded = {Path(file).resolve() for file in app.loaded_config_files}
        for file in _files(app):
            if file.resolve() in loaded | seen:
                continue
            seen.add(file.resolve())
            # A file without settings is not among the loaded ones either.
            is_python = file.suffix == ".py"
            loader = app.python_config_loader_class if is_python else app.json_config_loader_class
            try:
                loader(file.name, path=str(file.parent)).load_config()
            except Exception as error:
                text = " ".join(f"{type(error).__name__}: {error}".split())
                yield (
                    f"The configuration file `{file.name}` cannot be read ({text}), so nothing in "
                    "it applies."
                )
        for file in _parts(app):
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield (
                    f"`{_SECTION}` in `{file.parent.name}/{file.name}` does not apply: Jupyter "
                    f"reads no settings there. Write it into `{app.config_file_name}.json`."
                )


def _parts(app: JupyterApp) -> Iterator[Path]:
    for folder in app.config_file_paths:
        for file in sorted(Path(folder, f"{app.config_file_name}.d").glob("*.json")):
            with suppress(OSError, ValueError):  # Jupyter tells
                content = json.loads(file.read_text("utf-8"))
                if isinstance(content, dict) and content.get(_SECTION):
                    yield file


def _files(app: JupyterApp) -> Iterator[Path]:
    candidates = [(Path(folder), "jupyter_config") for folder in app.config_file_paths]
    if app.config_file:
        chosen = Path(app.config_file)
        candidates.append((chosen.parent, chosen.stem))
    elif app.config_file_name:
        candidates += [(Path(folder), app.config_file_name) for folder in app.config_file_paths]
    for folder, stem in candidates:
        for suffix in (".py", ".json"):
            file = folder / f"{stem}{suffix}"
            if file.is_file():
                yield file
