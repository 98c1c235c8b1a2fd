"""Real servers whose configuration does not apply: personas are off, and everybody is told why."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.server import JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.testing.openai_server import OpenAIServer

pytestmark = pytest.mark.server

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]

SECRET = "sk-planted-4711-abcdef"


class Commanded(JupyterServer):
    """A server with arguments on its command line, or with a configuration file in Python."""

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        python: str = "",
        file: str = "jupyter_server_config.py",
        **options: Any,
    ) -> None:
        super().__init__(directory, **options)
        self._arguments = arguments
        if python:
            folder = directory / "config"
            folder.mkdir(parents=True)
            (folder / file).write_text(python, encoding="utf-8")

    def _command(self) -> list[str]:
        return [*super()._command(), *self._arguments]


ARGUMENTS = ["--AiExtension.allowed_providers=[keyless]", "--AiExtension.blocked_provider=openai"]
PYTHON = ["c.AiExtension.history_chars = '1000'", "raise ValueError('oops')"]


@pytest.mark.parametrize(
    ("arguments", "python", "reason"),
    [
        (ARGUMENTS[:1], "", "`c.AiExtension.allowed_providers` must be a list of names"),
        (ARGUMENTS[1:], "", "Did you mean `blocked_providers`?"),
        ([], PYTHON[0], "`c.AiExtension.history_chars` must be a whole number"),
        ([], PYTHON[1], "`jupyter_server_config.py` cannot be read (ValueError: oops)"),
    ],
)
async def test_nothing_is_called_with_a_configuration_that_does_not_apply(
    tmp_path: Path, arguments: list[str], python: str, reason: str
) -> None:
    with OpenAIServer() as loopback:
        server = Commanded(
            tmp_path,
            *arguments,
            python=python,
            config={
                "AiExtension.endpoints": {"loop": {"base_url": loopback.url, "models": ["a"]}},
                "AiExtension.default_model": "loop:a",
            },
        )
        async with server, ChatClient(server, "a.chat", "Ada") as ada:
            asked = ada.post("@Guide hello")
            said = await ada.wait_for_reply(asked, state=None)
            assert "Personas are off on this server." in said["body"]
            assert reason in said["body"]
            for method, route in (
                ("GET", "/api/ai/personas"),
                ("GET", "/api/ai/model_providers"),
                ("GET", "/api/ai/avatars/x"),
                ("POST", "/api/ai/personas/cancel?chat_path=a.chat"),
                ("POST", "/api/ai/message/Guide"),
            ):
                response = await server.request(method, route, json={"message": "hi"})
                assert response.status_code == 503, route
                assert reason in response.json()["message"]
                assert "Retry-After" in response.headers
                stranger = await server.request(method, route, authenticated=False)
                assert stranger.status_code == 403
                assert reason not in stranger.text
            (line,) = server.lines("Personas are off. ")
            assert line.startswith("[E ")
            assert reason in line
            assert not server.lines("Registered model provider")
            assert await server.terminate() == 0
        assert loopback.requests == []


async def test_who_asks_is_told_and_who_talks_to_others_is_left_alone(tmp_path: Path) -> None:
    async with (
        Commanded(tmp_path, config={"AiExtension.max_hops": "x"}) as server,
        ChatClient(server, "a.chat", "Ada") as ada,
        ChatClient(server, "a.chat", "Bob") as bob,
    ):
        await bob.wait_for_reply(bob.post("@Guide are you there?"), state=None)
        talk = ada.post("Bob, did you see?")
        await ada.wait_for_reply(ada.post("/help"), state=None)
        assert ada.replies(talk) == []


async def test_no_secret_is_told(tmp_path: Path) -> None:
    config = {
        "AiExtension.credentials": {"OPENAI_API_KEY": [SECRET]},
        "AiExtension.model_parameters": {"openai": f"api_key={SECRET}"},
        "AiExtension.endpoints": {
            "x": {"base_url": f"http://u:{SECRET}@x", "key_variable": SECRET}
        },
    }
    async with JupyterServer(tmp_path, config=config) as server:
        response = await server.request("GET", "/api/ai/personas")
        assert 'c.AiExtension.credentials["OPENAI_API_KEY"]' in response.json()["message"]
        assert SECRET not in response.text
        await server.terminate()
        assert not server.lines(SECRET)


async def test_names_that_match_nothing_are_warned_of_with_near_matches(
    start_server: StartServer,
) -> None:
    server = await start_server(
        config={
            "AiExtension.blocked_providers": ["opnai", " GROQ ", "keyless:rpeat"],
            "AiExtension.models": {"guide": "keyless:repeat", "Gide": "kyless:repeat"},
            "AiExtension.persona_config": {"Gudie": {}},
            "AiExtension.model_parameters": {"OpenAI": {"temperature": 0}, "olama": {}},
            "AiExtension.model_aliases": {"fast": "opnai:gpt-4o"},
            "AiExtension.default_modle": "x",
        }
    )
    _, listed = await server.get("/api/ai/personas")
    assert listed["personas"][0]["model"] == "workspace:search"
    for text in (
        "`opnai` in `c.AiExtension.blocked_providers` matches no provider. Did you mean `openai`?",
        "`keyless:rpeat` in `c.AiExtension.blocked_providers` matches no model of that provider. "
        "Did you mean `keyless:repeat`?",
        "`Gide` in `c.AiExtension.models`: There is no persona `Gide`. Did you mean `Guide`?",
        "`kyless:repeat` in `c.AiExtension.models` cannot be used",
        "`Gudie` in `c.AiExtension.persona_config`: There is no persona `Gudie`.",
        "`olama` in `c.AiExtension.model_parameters` matches no provider. Did you mean `ollama`?",
        "`opnai:gpt-4o` in `c.AiExtension.model_aliases` cannot be used",
        "`default_modle` not recognized",
    ):
        assert (await server.wait_for_log(text)).startswith("[W "), text
    _, providers = await server.get("/api/ai/model_providers")
    problems = {row["id"]: row["problem"] for row in providers["model_providers"]}
    assert problems["groq"] == "not allowed on this server"
    assert not server.lines("`guide`")
    assert not server.lines("OpenAI")


FILES = ["jupyter_jupyter_ai_personas_config.py", "jupyter_jupyter_server_ydoc_config.py"]


@pytest.mark.parametrize("file", FILES)
async def test_the_configuration_file_of_any_extension_applies(tmp_path: Path, file: str) -> None:
    python = "c.AiExtension.blocked_providers = ['groq']"
    async with Commanded(tmp_path / "applies", python=python, file=file) as server:
        _, listed = await server.get("/api/ai/model_providers")
        problems = {row["id"]: row["problem"] for row in listed["model_providers"]}
        assert problems["groq"] == "not allowed on this server"
    python = f"{python}\nnonsense"
    async with Commanded(tmp_path / "fails", python=python, file=file) as server:
        status, answer = await server.get("/api/ai/model_providers")
        assert (status, f"`{file}` cannot be read (NameError" in answer["message"]) == (503, True)


async def test_the_command_line_wins_over_all_files(tmp_path: Path) -> None:
    argument = "--AiExtension.blocked_providers=ollama"
    python = "c.AiExtension.blocked_providers = ['groq']"
    async with Commanded(tmp_path, argument, python=python, file=FILES[1]) as server:
        _, listed = await server.get("/api/ai/model_providers")
        problems = {row["id"]: row["problem"] for row in listed["model_providers"]}
        assert problems["ollama"] == "not allowed on this server"
        assert problems["groq"] != "not allowed on this server"
