"""Secrets are planted wherever a server has them, and looked for wherever they could come out."""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from urllib.parse import quote

import anyio
import pytest
from anyio.abc import TaskStatus
from support.plugin import make_plugin
from support.server import WAIT, JupyterServer
from support.yclient import ChatClient
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

pytestmark = pytest.mark.server

ENVIRONMENT = {
    "PLANTED_API_KEY": "planted-by-name-4711",
    "PLANTED_DATABASE": "postgres://app:planted-in-a-url-4712@db.example.org/app",
    # A name that says nothing: people must not see it, and nobody can know it in a log.
    "PLANTED_THING": "plantedwithoutaname4713abcdef",
    # As it is pasted from a file, and with what is escaped wherever it is quoted.
    "PLANTED_ODD_KEY": "planted'with\"a/newline-4721\n",
}
ODD = ENVIRONMENT["PLANTED_ODD_KEY"]
SPELLED = [
    *(ODD.strip(), repr(ODD)[1:-1], repr(ODD.encode())[2:-1], json.dumps(ODD)[1:-1]),
    *(quote(ODD.strip(), safe=""), b64encode(f"user:{ODD.strip()}".encode()).decode()),
]
FILE = "planted-in-the-file-4714"
PARAMETER = "planted-parameter-4715"
ENDPOINT = "planted-in-the-endpoint-4716"
CREDENTIAL = "planted-in-the-configuration-4717"
SECRETS = [
    ENVIRONMENT["PLANTED_API_KEY"],
    "planted-in-a-url-4712",
    *(FILE, PARAMETER, ENDPOINT, CREDENTIAL),
    "planted-in-a-header-4718",
    "planted-in-a-query-4719",
    "planted-basic-4720",
    *SPELLED,
]
FOR_OPERATORS = [ENVIRONMENT["PLANTED_THING"], "Traceback", "/hidden/path", ".py"]
"""What may stand in the log, and nowhere else."""

MARKUP = "<img src=x onerror=alert(1)> [link](javascript:alert(2)) **bold** `"

SOURCE = f"""
import asyncio
import base64
import json
import logging
import os
import sys
import urllib.parse
import threading
import warnings
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from jupyter_ai_personas import BasePersona, BaseProvider, PersonaDefaults
from jupyter_ai_personas.errors import ModelError

MARKUP = {MARKUP!r}


def spelled():
    odd = os.environ["PLANTED_ODD_KEY"]
    key = odd.strip()
    pair = base64.b64encode(b"user:" + key.encode()).decode()
    return [
        key, repr(odd), repr(odd.encode()), json.dumps({{"key": odd}}),
        urllib.parse.quote(key, safe=""), "Basic " + pair, "Illegal header " + repr(odd.encode()),
    ]


def leak():
    given = dict(line.split("=", 1) for line in Path(os.environ["PLANTED_FILE"]).open())
    return " ".join([
        os.environ["PLANTED_API_KEY"], os.environ["PLANTED_DATABASE"],
        os.environ["PLANTED_THING"], given["SOME_LOGIN"].strip(), {PARAMETER!r}, {CREDENTIAL!r},
        "https://user:{ENDPOINT}@api.example.org/v1?key=planted-in-a-query-4719",
        "{{'Authorization': 'Basic planted-basic-4720', 'x-api-key': 'planted-in-a-header-4718'}}",
        "/hidden/path/secrets.txt", __file__, MARKUP, *spelled(),
    ])


def persona(cls):
    cls.defaults = PersonaDefaults(name=cls.__name__, description=MARKUP, model="spy:one")
    return cls


class Talkative(Exception):
    def __str__(self):
        return leak()

    __repr__ = __str__


@persona
class Raises(BasePersona):
    async def process_message(self, message):
        raise RuntimeError(leak())


@persona
class Chained(BasePersona):
    async def process_message(self, message):
        try:
            try:
                raise KeyError(leak())
            except KeyError as error:
                raise Talkative(5) from error
        except Talkative as error:
            error.add_note(leak())
            raise ExceptionGroup(leak(), [error, Talkative()])


@persona
class Named(BasePersona):
    async def process_message(self, message):
        raise type(leak(), (Exception,), {{}})


@persona
class Ours(BasePersona):
    async def process_message(self, message):
        self.send_message("Something whole.")
        raise ModelError(leak())


@persona
class Prepares(BasePersona):
    async def prepare(self):
        raise Talkative


@persona
class Logs(BasePersona):
    async def process_message(self, message):
        self.log.warning("I have %s", leak())
        self.log.debug("I have %s", leak())
        try:
            raise Talkative
        except Talkative:
            self.log.exception("It happened")
        self.send_message("Logged.")


@persona
class Strays(BasePersona):
    async def process_message(self, message):
        async def stray():
            raise Talkative

        task = asyncio.get_running_loop().create_task(stray())
        await asyncio.wait([task])
        del task
        self.send_message("Strayed.")


@persona
class Prints(BasePersona):
    async def process_message(self, message):
        def die():
            raise Talkative

        class Dies:
            __del__ = lambda self: die()

        print("printed", leak())
        print("on stderr", leak(), file=sys.stderr)
        warnings.warn("warned " + leak(), stacklevel=1)
        logging.getLogger("leaky_package").warning("logged %s", leak())
        logging.getLogger("leaky_package").error("failed", exc_info=Talkative())
        thread = threading.Thread(target=die, name="thread of Prints")
        thread.start()
        thread.join()
        Dies()
        await asyncio.to_thread(print, "from a worker", leak())
        asyncio.get_running_loop().call_soon(die)
        await asyncio.sleep(0)
        self.send_message("Printed.")


@persona
class Vendor(BasePersona):
    pass


Vendor.defaults = PersonaDefaults(name="Vendor", model="loop:one")


@persona
class Provider(BasePersona):
    pass


Provider.defaults = PersonaDefaults(name="Provider", model="leaky:one")


@persona
class Reader(BasePersona):
    pass


class Odd(BasePersona):
    defaults = PersonaDefaults(
        name="**Odd** _one_ $x$ ![i]", description=MARKUP, system_prompt="You are odd."
    )


class Odder(BasePersona):
    defaults = PersonaDefaults(name="*Odder* ~~name~~ $y$", description=MARKUP + "\\n# head")
    commands = {{"/odd": MARKUP}}

    async def process_message(self, message):
        raise ValueError


class Spy(BaseProvider, BaseChatModel):
    id = "spy"
    name = "Spy " + MARKUP
    models = ["one"]
    model_id_key = "model_id"

    @property
    def _llm_type(self):
        return "spy"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        with Path(os.environ["PLANTED_SEEN"]).open("a") as seen:
            seen.write("\\n".join(str(message.content) for message in messages) + "\\n")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content="Seen."))])


class Leaky(Spy):
    id = "leaky"
    name = "Leaky"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        raise Talkative
"""
BROKEN = "from leaky_package import leak\nraise RuntimeError(leak())\n"
FAILING = ("Raises", "Chained", "Named", "Ours", "Prepares", "Vendor", "Provider")
PERSONAS = (*FAILING, "Logs", "Strays", "Reader", "Odd", "Odder")


class Place:
    """A server full of secrets, and all that was told to anybody but its operator."""

    def __init__(self, server: JupyterServer, seen: Path) -> None:
        self.server = server
        self.seen = seen
        self.told: dict[str, str] = {}


async def listen(server: JupyterServer, heard: list[str], *, task_status: TaskStatus[None]) -> None:
    address = server.url.replace("http", "ws", 1)
    headers = {"Authorization": f"token {server.token}"}
    subscription = f"{address}/api/events/subscribe"
    with suppress(ConnectionClosed):
        async with connect(
            subscription, additional_headers=headers, proxy=None, open_timeout=WAIT
        ) as events:
            task_status.started()
            async for event in events:
                heard.append(str(event))


@asynccontextmanager
async def place(directory: Path, level: int) -> AsyncIterator[Place]:
    points = {name.lower(): f"leaky_package:{name}" for name in (*PERSONAS, "Prints")}
    package = make_plugin(
        directory / "packages",
        "leaky_package",
        {"__init__.py": SOURCE, "broken.py": BROKEN},
        {
            "jupyter_ai.personas": {**points, "broken": "leaky_package.broken:Gone"},
            "jupyter_ai.model_providers": {
                "spy": "leaky_package:Spy",
                "leaky": "leaky_package:Leaky",
                "broken": "leaky_package.broken:Gone",
            },
        },
    )
    file, seen = directory / "secrets.env", directory / "seen.txt"
    file.write_text(f"SOME_LOGIN={FILE}\n")
    file.chmod(0o600)
    seen.touch()
    with OpenAIServer() as vendor:
        answer = f"you sent {FILE}, {ENDPOINT}, from /hidden/path/of/vendor {MARKUP}"
        vendor.answer(*[Answer(status=400, text=answer)] * 20)
        url = vendor.url.replace("://", f"://user:{ENDPOINT}@")
        config = {
            "ServerApp.log_level": level,
            "AiExtension.log_level": level,
            "AiExtension.secrets_file": str(file),
            "AiExtension.credentials": {"OTHER": CREDENTIAL},
            "AiExtension.model_parameters": {"spy": {"some_secret": PARAMETER}},
            "AiExtension.endpoints": {
                "loop": {"base_url": url, "key_variable": "SOME_LOGIN", "models": ["one"]}
            },
            "AiExtension.quarantine_failures": 1000,
        }
        env = {**ENVIRONMENT, "PLANTED_FILE": str(file), "PLANTED_SEEN": str(seen)}
        server = JupyterServer(directory / "server", config=config, env=env, pythonpath=[package])
        async with server:
            yield Place(server, seen)


async def provoke(here: Place) -> None:
    """Let everything fail that can, and gather what anybody is told of it."""
    server, told, heard = here.server, here.told, []
    async with anyio.create_task_group() as group:
        await group.start(listen, server, heard)
        async with ChatClient(server, "leaky.chat", "Ada") as ada:
            shown: list[str] = []
            ada.awareness.observe(lambda *_: shown.append(json.dumps(ada.present(), default=str)))
            ada.awareness.observe(lambda *_: shown.append(json.dumps(ada.writers(), default=str)))
            asked = ada.post(" ".join(f"@{name}" for name in (*FAILING, "Logs", "Strays")))
            for name in FAILING:
                await ada.wait_for_reply(asked, name, "failed")
            for name in ("Logs", "Strays"):
                await ada.wait_for_reply(asked, name)
            for command in (
                *("/help", "/personas", "/models", "/status", "/retry @Named", "/broken @Broken"),
                *("/model @Reader leaky:gone", "/model @Reader loop:none", "/model @Reader"),
                "/model @Reader sk-proj-planted0123456789",
                *(f"/model @Reader {MARKUP.split()[0]}`:x", "/stop @No`<img>`body", "/odd"),
                *("@Broken are you there", "/model @Reader spy:one"),
            ):
                said = ada.post(command)
                await ada.wait_for(lambda me, said=said: me.replies(said) or said)
            again = ada.post("@Reader what was said?")
            await ada.wait_for_reply(again, "Reader")
            told["document"] = json.dumps(
                [ada.messages(), ada.users(), ada.metadata, ada._state.to_py()]
            )
            await server.wait_until_saved("leaky.chat", "what was said?")
            told["presence"] = "\n".join(shown)
            here.told["bodies"] = "\n".join(
                m["body"] for m in ada.messages() if m["sender"] != ada.user.username
            )
        for route in ("personas", "model_providers"):
            told[route] = (await server.request("GET", f"/api/ai/{route}")).text
        told["metrics"] = (await server.request("GET", "/metrics")).text
        for name in (*PERSONAS, "Nobody"):
            route = f"/api/ai/message/{quote(name)}"
            told[name] = (await server.request("POST", route, json={"message": "hi"})).text
        group.cancel_scope.cancel()
    told["events"] = "\n".join(heard)
    told["file"] = json.dumps(server.saved_chat("leaky.chat"))
    told["ledger"] = "\n".join(dump(server.data_dir / "jupyter_ai_personas" / "ledger.sqlite"))
    told["model"] = here.seen.read_text()


def dump(ledger: Path) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as db:
        for (table,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            for row in db.execute(f"SELECT * FROM {table}"):
                yield str(row)


@pytest.mark.parametrize("level", [20, 10], ids=["info", "debug"])
async def test_no_secret_comes_out_anywhere(tmp_path: Path, level: int) -> None:
    async with place(tmp_path, level) as here:
        await provoke(here)
        for where, text in here.told.items():
            assert text.strip(), where
            for secret in (*SECRETS, *FOR_OPERATORS):
                assert secret not in text, f"{secret} in {where}: …{around(text, secret)}…"
        # The operator finds the rest there, or this test would prove nothing.
        for shown in (
            "Talkative",
            "Traceback",
            "/hidden/path",
            "I have",
            "Host of Strays: Task exception was never retrieved",
        ):
            await here.server.wait_for_log(shown)
        await here.server.terminate()
        log = "\n".join(here.server.log)
        for secret in SECRETS:
            assert secret not in log, around(log, secret)
        assert_inert(here.told["bodies"])


async def test_what_a_package_prints_reaches_nobody_but_the_operator(tmp_path: Path) -> None:
    async with place(tmp_path, 20) as here:
        server, heard = here.server, []
        async with anyio.create_task_group() as group:
            await group.start(listen, server, heard)
            async with ChatClient(server, "prints.chat", "Ada") as ada:
                asked = ada.post("@Prints go")
                await ada.wait_for_reply(asked, "Prints")
                said = ada.post("/model @Reader spy:one")
                await ada.wait_for(lambda me: me.replies(said))
                await ada.wait_for_reply(ada.post("@Reader what was said?"), "Reader")
                told = [json.dumps([ada.messages(), ada.users(), ada.metadata])]
            answer = await server.request("POST", "/api/ai/message/Prints", json={"message": "hi"})
            assert "Printed." in answer.text
            for route in ("/api/ai/personas", "/metrics"):
                told.append((await server.request("GET", route)).text)
            group.cancel_scope.cancel()
        ledger = dump(server.data_dir / "jupyter_ai_personas" / "ledger.sqlite")
        told += [answer.text, *heard, *ledger, here.seen.read_text()]
        assert "what was said?" in told[-1]
        for text in told:
            for secret in (*SECRETS, *FOR_OPERATORS):
                assert secret not in text, around(text, secret)
        for way in ("printed", "on stderr", "warned", "logged", "from a worker"):
            assert server.lines(way), way
        for way in ("thread of Prints", "Exception ignored in", "Host of Prints"):
            assert server.lines(way), way
        # Of all that, what goes through logging is without secrets even there.
        for way in ("logged", "Host of Prints"):
            assert not [line for line in server.lines(way) if any(s in line for s in SECRETS)]


def around(text: str, secret: str) -> str:
    at = text.find(secret)
    return text[max(0, at - 300) : at + len(secret) + 100]


def assert_inert(bodies: str) -> None:
    """Nothing of what packages say is Markdown or HTML where people read it."""
    assert "onerror" in bodies
    for line in bodies.splitlines():
        plain = re.sub(r"(?<![`\\])(`+)(?!`).+?(?<!`)\1(?!`)", "", line)
        assert not re.search(r"(?<!\\)<img", plain), line
        assert not re.search(r"(?<!\\)\]\(javascript", plain), line
        assert "**bold**" not in plain, line
        assert not re.search(r"(?<!\\)\*Odder|(?<!\\)~~name|(?<!\\)\$y", plain), line
        assert not plain.startswith("# head"), line
