"""What the extension adds to a server's start, and the package to an interpreter's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import support.server
from support.plugin import make_plugin
from support.server import CHAT_EXTENSIONS, DEFAULT_EXTENSIONS, JupyterServer

from .options import Goal, Options, Result, Table
from .packages import make_personas
from .watcher import Watcher

PACKAGES = 30

_PROVIDER = """
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from jupyter_ai_personas import BaseProvider

class Provider(BaseProvider, FakeListChatModel):
    id = "provider_{number}"
    name = "Provider {number}"
    models = ["a", "b"]
    model_id_key = "model_id"
    model_id: str = "a"
    responses: list = ["hello"]
"""


def make_providers(directory: Path) -> Path:
    """Packages with a provider each."""
    for number in range(PACKAGES):
        name = f"bench_provider_{number}"
        make_plugin(
            directory,
            name,
            {"provider.py": _PROVIDER.format(number=number)},
            {"jupyter_ai.model_providers": {f"provider_{number}": f"{name}.provider:Provider"}},
        )
    return directory


async def run(options: Options) -> Result:
    support.server._POLL = 0.002  # the harness polls every 20 ms, which is a fifth of the bound
    times = 1 if options.quick else max(15, options.repeat)
    with options.directory() as directory:
        paths = [
            make_providers(directory / "providers"),
            make_personas(directory / "personas", 1, 'self.send_message("here")'),
        ]
        starts: dict[str, list[float]] = {"without": [], "with": []}
        used: dict[str, list[float]] = {"without": [], "with": []}
        mentions = []
        for number in range(times + 1):
            for what, extensions in (("without", CHAT_EXTENSIONS), ("with", DEFAULT_EXTENSIONS)):
                server = JupyterServer(
                    directory / f"{what}-{number}",
                    extensions=extensions,
                    pythonpath=paths,
                    env=_compiled(directory),
                )
                began = time.perf_counter()
                async with server:
                    if number:  # the first pair fills the caches
                        starts[what].append(time.perf_counter() - began)
                        used[what].append(server.cpu_seconds())
                    if what == "with":
                        mentions.append(await _first_mention(server))
        imports = _first_import(directory, paths)
    added = median(b - a for a, b in zip(starts["without"], starts["with"], strict=True))
    with options.directory() as directory:
        bare, full = _interpreters(directory, times * 3)
    mine = median(b - a for a, b in zip(bare, full, strict=True))
    table = Table(
        "Start-up",
        f"Milliseconds; pairs of starts, one right after the other, with {PACKAGES} provider "
        "packages installed. The plug-ins are imported after the first answer.",
        [
            {
                "what": "server to its first answer, without the extension",
                "ms": _ms(starts["without"]),
            },
            {"what": "the same with it", "ms": _ms(starts["with"])},
            {"what": "added (median of the pairs)", "ms": 1000 * added},
            {
                "what": "added processor time (median of the pairs)",
                "ms": 1000
                * median(b - a for a, b in zip(used["without"], used["with"], strict=True)),
            },
            {"what": "an interpreter", "ms": _ms(bare)},
            {"what": "with `import jupyter_ai_personas`", "ms": _ms(full)},
            {"what": "importing all providers in a fresh interpreter", "ms": 1000 * imports},
            {"what": "a mention posted as the first chat opens, to its reply", "ms": _ms(mentions)},
        ],
    )
    goals = [
        Goal(f"added to the server's first answer, {PACKAGES} packages", 100.0, 1000 * added, "ms"),
        Goal("`import jupyter_ai_personas`", 60.0, 1000 * mine, "ms"),
    ]
    return Result("startup", [table], goals)


def _ms(values: list[float]) -> float:
    return 1000 * median(values)


async def _first_mention(server: JupyterServer) -> float:
    async with Watcher(server, "a.chat", user="Ada") as ada:
        began = time.perf_counter()
        asked = ada.post("@P0 are you there?")
        await ada.wait_for_reply(asked, timeout=30)
        return time.perf_counter() - began


def _compiled(directory: Path) -> dict[str, str | None]:
    # As installed by pip: compiled once. Kept apart, so that nothing is left in the repository.
    return {"PYTHONDONTWRITEBYTECODE": None, "PYTHONPYCACHEPREFIX": str(directory / "compiled")}


def _python(code: str, directory: Path, paths: Sequence[Path] = ()) -> float:
    changes = _compiled(directory)
    env = {name: value for name, value in os.environ.items() if name not in changes}
    env |= {name: value for name, value in changes.items() if value is not None}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {[str(p) for p in paths]!r}; {code}"],
        check=True,
        timeout=60,
        env=env,
    )
    return time.perf_counter() - began


def _first_import(directory: Path, paths: list[Path]) -> float:
    code = "; ".join(f"import bench_provider_{n}.provider" for n in range(PACKAGES))
    bare = min(_python("pass", directory, paths) for _ in range(3))
    return median(_python(code, directory, paths) for _ in range(3)) - bare


def _interpreters(directory: Path, times: int) -> tuple[list[float], list[float]]:
    pairs = [
        (_python("pass", directory), _python("import jupyter_ai_personas", directory))
        for _ in range(times + 1)
    ]
    bare, full = zip(*pairs[1:], strict=True)
    return list(bare), list(full)
