from __future__ import annotations

import importlib
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from support.plugin import make_plugin
from support.shells import Kernel, Shell
from traitlets.config import Config

from jupyter_ai_personas.testing.openai_server import OpenAIServer

KEY = "loopback-secret-0123456789"

# The documented provider, byte for byte: a plain LLM, so for the magics only.
MY_PROVIDER = """\
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

# Streams from the loopback server without a vendor's client, whose import takes two seconds of each
# process. It says what that server says, so a test can hold it and see what it is asked.
LIGHT = """
import json
import os

import httpx
from jupyter_ai_personas import BaseProvider, EnvAuthStrategy
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

ROLES = {"human": "user", "ai": "assistant", "system": "system"}


class Light(BaseProvider, BaseChatModel):
    id = "light"
    name = "Light"
    models = ["small", "large"]
    auth_strategy = EnvAuthStrategy("LOOP_KEY")

    @property
    def _llm_type(self):
        return self.id

    def bind_tools(self, tools, **kwargs):
        return self  # it calls none

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        raise NotImplementedError

    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        body = {
            "model": self.model_id,
            "stream": True,
            "messages": [{"role": ROLES[m.type], "content": m.content} for m in messages],
        }
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None, verify=False) as client,
            client.stream(
                "POST",
                os.environ["LOOP_URL"] + "/chat/completions",
                json=body,
                headers={"Authorization": "Bearer " + os.environ["LOOP_KEY"]},
            ) as response,
        ):
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    for choice in json.loads(line[6:])["choices"]:
                        text = choice["delta"].get("content") or ""
                        yield ChatGenerationChunk(message=AIMessageChunk(content=text))
"""

OTHERS = """
import threading

import anyio
from jupyter_ai_personas import BasePersona, BaseProvider, EnvAuthStrategy, PersonaDefaults
from langchain_core.language_models.llms import LLM
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult, GenerationChunk


class Plain(BaseProvider, LLM):
    id = "plain"
    name = "Plain"
    models = ["one"]

    @property
    def _llm_type(self):
        return self.id

    def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        return prompt


class Stuck(Plain):
    id = "stuck"
    name = "Stuck"

    async def _astream(self, prompt, stop=None, run_manager=None, **kwargs):
        yield GenerationChunk(text="before ")
        threading.Event().wait()  # It holds the event loop for good.


SHOWN = []


class Painter(BaseProvider, BaseChatModel):
    id = "painter"
    name = "Painter"
    models = ["oil"]

    @property
    def _llm_type(self):
        return self.id

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        SHOWN.append([message.content for message in messages])
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,PICTURE"}}
        message = AIMessage(content=["There: ", image, "Do you like it?"])
        return ChatResult(generations=[ChatGeneration(message=message)])


class NeedsPackage(Plain):
    id = "needs_package"
    name = "Needs a Package"
    pypi_package_deps = ["no-such-package-anywhere"]


class NeedsKey(Plain):
    id = "needs_key"
    name = "Needs a Key"
    auth_strategy = EnvAuthStrategy("PLAIN_API_KEY")


class Echo(BasePersona):
    defaults = PersonaDefaults(name="Echo", description="Repeats.")

    async def process_message(self, message):
        if "fail" in message.body:
            raise ValueError("Echo cannot")
        if "wait" in message.body:
            await self.wait()
        if "who am I" in message.body:
            return self.send_message(self.turn.speaker)
        await self.stream_message(self.words(message.body))
        self.send_message("That was it.")

    async def words(self, body):
        for word in body.split():
            yield word + " "
        if "half" in body:
            raise ValueError("Echo stops here")

    async def wait(self):
        self.log.warning("Echo waits")
        try:
            await anyio.sleep_forever()
        finally:
            self.log.warning("Echo is stopped")
"""


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for ``PYTHONPATH`` with a package that brings providers and a persona."""
    classes = ("Plain", "Stuck", "Painter", "NeedsPackage", "NeedsKey")
    return make_plugin(
        tmp_path_factory.mktemp("plugins"),
        "others",
        {"__init__.py": OTHERS},
        {
            "jupyter_ai.model_providers": {name.lower(): f"others:{name}" for name in classes},
            "jupyter_ai.personas": {"echo": "others:Echo"},
        },
    )


@pytest.fixture(scope="session")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for ``PYTHONPATH`` with the provider `light`."""
    return make_plugin(
        tmp_path_factory.mktemp("light"),
        "light",
        {"__init__.py": LIGHT},
        {"jupyter_ai.model_providers": {"light": "light:Light"}},
    )


@pytest.fixture(scope="session")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for ``PYTHONPATH`` with the documented provider, which is slow to import."""
    # Its own deprecation is no concern of these tests; once imported, it says nothing more.
    with warnings.catch_warnings(action="ignore"):
        importlib.import_module("langchain_community.llms").FakeListLLM  # noqa: B018
    return make_plugin(
        tmp_path_factory.mktemp("documented"),
        "my_package",
        {"my_provider.py": MY_PROVIDER},
        {"jupyter_ai.model_providers": {"my-provider": "my_package.my_provider:MyProvider"}},
    )


@pytest.fixture(scope="module")
def environment(
    tmp_path_factory: pytest.TempPathFactory, plugins: Path, light: Path
) -> Iterator[Path]:
    """Nothing of whoever runs the tests: no keys, no servers; returns IPython's directory.

    Processes that are started inherit it, and have the provider `light` besides.
    """
    directory = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for variable in list(os.environ):
            if re.search(r"_KEY$|TOKEN|^(AWS|AZURE|OPENAI|HF|OLLAMA|JUPYTER|JPY)_", variable):
                patch.delenv(variable)
        for variable, name in (
            ("IPYTHONDIR", "ipython"),
            ("JUPYTER_CONFIG_DIR", "config"),
            ("JUPYTER_DATA_DIR", "data"),
            ("JUPYTER_RUNTIME_DIR", "runtime"),
        ):
            (directory / name).mkdir()
            patch.setenv(variable, str(directory / name))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(directory / "none"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (plugins, light))), os.pathsep)
        patch.setenv("LOOP_KEY", KEY)
        patch.syspath_prepend(str(plugins))
        yield directory / "ipython"


@pytest.fixture
def loopback() -> Iterator[OpenAIServer]:
    """A server that wants the key that is in `LOOP_KEY`."""
    with OpenAIServer(key=KEY) as server:
        yield server


@pytest.fixture
def settings(loopback: OpenAIServer) -> dict[str, Any]:
    """Traits of `AiMagics` that make the loopback server the endpoint `loop`, a real vendor's."""
    endpoint = {"base_url": loopback.url, "key_variable": "LOOP_KEY", "models": ["small", "large"]}
    return {"endpoints": {"loop": endpoint}, "default_model": "loop:small"}


@pytest.fixture
def light_url(loopback: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The loopback server answers for the provider `light` in processes started now."""
    monkeypatch.setenv("LOOP_URL", loopback.url)
    return loopback.url


@pytest.fixture
def configured(environment: Path, light_url: str) -> Iterator[None]:
    """IPython's configuration file makes `light` the default in processes started now."""
    file = environment / "profile_default" / "ipython_config.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("c.AiMagics.default_model = 'light:small'", encoding="utf-8")
    yield
    file.unlink()


@pytest.fixture
def shell(
    environment: Path,
    documented: Path,
    settings: Mapping[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shell]:
    """A shell with the magics loaded and the loopback server configured."""
    monkeypatch.setattr(HistoryManager, "enabled", False)
    monkeypatch.syspath_prepend(str(documented))
    # What another test raised.
    for name in ("last_exc", "last_value"):
        monkeypatch.delattr(sys, name, raising=False)
    InteractiveShell.clear_instance()
    config = Config({"AiMagics": dict(settings), "InteractiveShell": {"colors": "nocolor"}})
    ip = InteractiveShell.instance(config=config, user_ns={})
    try:
        ip.run_line_magic("load_ext", "jupyter_ai_personas")
        yield Shell(ip, capsys)
    finally:
        ip.run_line_magic("unload_ext", "jupyter_ai_personas")
        ip.restore_sys_module_state()
        InteractiveShell.clear_instance()


@pytest.fixture(scope="module")
def one_kernel(environment: Path) -> Iterator[Kernel]:
    """A kernel for all tests of a module, with the magics loaded."""
    with Kernel() as kernel:
        kernel.run("%load_ext jupyter_ai_personas")
        kernel.run("%config AiMagics.default_model = 'light:small'")
        # The first request imports LangChain, longer than the loopback server may wait.
        kernel.run("%ai list")
        yield kernel


@pytest.fixture
def kernel(one_kernel: Kernel, light_url: str) -> Kernel:
    """A kernel that knows the loopback server and remembers no other test."""
    one_kernel.run(f"import os; os.environ['LOOP_URL'] = {light_url!r}")
    one_kernel.run("%ai reset")
    return one_kernel
