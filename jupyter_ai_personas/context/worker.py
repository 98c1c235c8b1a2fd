"""The process beside a server that builds and reads the index: ``python -m …context.worker``.

Each server has one. It answers queries, as lines of JSON on its standard streams; of those that
serve one root, the one that holds the lock builds the index as well. Damaged indexes, strange files
and long computations affect this process, not the server. It ends when
its standard input does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from jupyter_ai_personas.context.builder import Builder
from jupyter_ai_personas.context.index_folder import IndexFolder
from jupyter_ai_personas.context.reader import IndexReader, NoIndexError
from jupyter_ai_personas.context.settings import IndexSettings
from jupyter_ai_personas.context.store import DamagedError, remove_index

__all__ = ["main"]

_NICE = 10
_LOCK_S = 1.0
_SWITCH_S = 0.0005  # a query must not wait for the files that are read meanwhile


def main() -> None:
    """Run until the standard input ends; the arguments are one line of JSON on it."""
    sys.setswitchinterval(_SWITCH_S)
    arguments = json.loads(sys.stdin.readline())
    folder = IndexFolder(Path(arguments["root"]), Path(arguments["data_dir"]))
    settings = IndexSettings(tuple(arguments["exclude"]), tuple(arguments["private"]))
    stop = threading.Event()
    threading.Thread(target=_serve, args=(folder, stop), name="queries", daemon=True).start()
    if hasattr(os, "nice"):
        # Linux counts it by thread: queries are answered at the server's own priority.
        os.nice(_NICE)
    while not stop.is_set():
        try:
            folder.make()
            with FileLock(folder.lock, timeout=0, mode=0o600):
                _own(folder, settings, stop)
        except Timeout:
            pass  # another server builds it
        except (OSError, NotImplementedError) as error:
            # NotImplementedError: a file system without locks.
            _say({"problem": f"its folder cannot be used ({error})"})
        stop.wait(_LOCK_S)


def _own(folder: IndexFolder, settings: IndexSettings, stop: threading.Event) -> None:
    try:
        builder = Builder(folder, settings)
        try:
            _say({"problem": ""})
            builder.run(stop)
        finally:
            builder.close()
    except DamagedError:
        remove_index(folder.path)


def _serve(folder: IndexFolder, stop: threading.Event) -> None:
    reader = IndexReader(folder)
    try:
        for line in sys.stdin:
            asked = json.loads(line)
            answer: dict[str, Any] = {"id": asked["id"]}
            try:
                answer["hits"] = reader.search(asked["query"], asked["limit"])
            except NoIndexError as error:
                answer["error"] = str(error)
            _say(answer)
    finally:
        stop.set()  # without answers, this process is of no use


def _say(answer: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    except OSError:
        pass  # the server is gone, and so will the standard input be


if __name__ == "__main__":
    main()
