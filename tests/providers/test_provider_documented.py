"""The provider of Jupyter AI v2's documentation, unchanged, and no jupyter_ai_magics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Byte for byte, comments and blank lines included.
DOCUMENTED = """\
# my_package/my_provider.py
from jupyter_ai_magics import BaseProvider
from langchain_community.llms import FakeListLLM


class MyProvider(BaseProvider, FakeListLLM):
    id = "my_provider"
    name = "My Provider"
    model_id_key = "model"
    models = [
        "model_a",
        "model_b"
    ]
    def __init__(self, **kwargs):
        model = kwargs.get("model_id")
        kwargs["responses"] = (
            ["This is a response from model 'a'"]
            if model == "model_a" else
            ["This is a response from model 'b'"]
        )
        super().__init__(**kwargs)
"""
OURS = DOCUMENTED.partition("\n")[2].replace(
    "from jupyter_ai_magics import", "from jupyter_ai_personas import"
)
TWIN = OURS.replace(
    "langchain_community.llms import FakeListLLM",
    ("langchain_core.language_models.fake_chat_models import FakeListChatModel"),
).replace("FakeListLLM", "FakeListChatModel")

USE = """
import asyncio, json, logging, sys

lines = []

class Keep(logging.Handler):
    def emit(self, record):
        lines.append((record.levelname, record.getMessage()))

log = logging.getLogger("AiExtension")
log.setLevel(logging.INFO)
log.addHandler(Keep())

from langchain_core.messages import HumanMessage
from jupyter_ai_personas.errors import NotAChatModelError
from jupyter_ai_personas.providers import ModelCache, ModelRegistry, ProviderSettings

registry = ModelRegistry(ProviderSettings(), log=log)
registry.load()

async def ask(reference):
    stream = ModelCache(registry).stream(reference, [HumanMessage("hi")])
    return "".join([chunk.text async for chunk in stream])

try:
    registry.resolve("my_provider:model_a", chat=True)
    chat = None
except NotAChatModelError as error:
    chat = str(error)
info = {info.id: info for info in registry.infos()}.get("my_provider")
print(json.dumps({
    "lines": lines,
    "models": info and info.models,
    "available": info and info.available,
    "answers": [asyncio.run(ask(f"my_provider:model_{x}")) for x in "ab"],
    "chat": chat,
    "names": [m for m in sys.modules if m.startswith("jupyter_ai_magics")],
}))
"""


def use(site: Path, source: str, **more: str) -> Any:
    """Install `source` as a distribution into `site`; use it in a new process."""
    site.mkdir()
    (site / "my_provider.py").write_text(source)
    for name, text in more.items():
        (site / f"{name}.py").write_text(text)
    info = site / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "RECORD").write_text("my_provider.py,,\n")
    (info / "entry_points.txt").write_text(
        "[jupyter_ai.model_providers]\nmy-provider = my_provider:MyProvider\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", USE],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("source", [DOCUMENTED, OURS], ids=["jupyter_ai_magics", "ours"])
def test_the_documented_provider_registers_is_listed_and_answers(
    source: str, tmp_path: Path
) -> None:
    used = use(tmp_path / "site", source)
    assert ["INFO", "Registered model provider `my_provider`."] in used["lines"]
    assert [line for line in used["lines"] if line[0] != "INFO"] == []
    assert used["models"] == ["model_a", "model_b"]
    assert used["available"]
    assert used["answers"] == [f"This is a response from model '{x}'" for x in "ab"]
    assert "`my_provider:model_a` is not a chat model" in used["chat"]
    assert "`%%ai my_provider:model_a`" in used["chat"]


def test_its_chat_model_twin_serves_the_chat_too(tmp_path: Path) -> None:
    used = use(tmp_path / "site", TWIN)
    assert used["chat"] is None
    assert used["answers"] == [f"This is a response from model '{x}'" for x in "ab"]


def test_the_submodules_that_v2_packages_import_from_are_there(tmp_path: Path) -> None:
    head = (
        "import jupyter_ai_magics.providers\n"
        "from jupyter_ai_magics.providers import BaseProvider, EnvAuthStrategy, TextField\n"
        "from jupyter_ai_magics.base_provider import AwsAuthStrategy, MultiEnvAuthStrategy\n"
        "from jupyter_ai_magics import Persona\n"
        "from jupyter_ai_magics.models.persona import Persona as Same\n"
        "assert Persona is Same\n"
        "assert jupyter_ai_magics.providers.BaseProvider is BaseProvider\n"
    )
    source = head + DOCUMENTED.replace(
        'name = "My Provider"',
        'name = "My Provider"\n    persona = Persona(name="Me", avatar_route="api/x.svg")',
    )
    assert use(tmp_path / "site", source)["answers"][0] == "This is a response from model 'a'"


def test_an_installed_jupyter_ai_magics_is_left_alone(tmp_path: Path) -> None:
    real = "from jupyter_ai_personas.providers.base import BaseProvider as B\n" + (
        "from typing import ClassVar\nclass BaseProvider(B):\n    real: ClassVar[bool] = True\n"
    )
    source = DOCUMENTED.replace(
        '    id = "my_provider"', '    assert BaseProvider.real\n    id = "my_provider"'
    )
    used = use(tmp_path / "site", source, jupyter_ai_magics=real)
    assert used["names"] == ["jupyter_ai_magics"]
    assert used["answers"][0] == "This is a response from model 'a'"
