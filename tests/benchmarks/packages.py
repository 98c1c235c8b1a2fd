"""The packages that the benchmarks install: a persona that emits chunks, the floor, a probe."""

from __future__ import annotations

from pathlib import Path

from support.plugin import make_plugin

STREAM = "jupyter-ai-personas::bench_stream::Stream"

CHUNK_CHARS = 5

LONG_CHARS = 50
"""The characters of a long chunk."""

# One person of a benchmark asks more often than a person can.
HASTY = {"AiExtension.max_messages_per_minute": 1_000_000}

_CHUNKS = '''
import asyncio, re, time

def program(body):
    found = re.search(r"(\\d+) (?:unheard )?(long )?chunks at (\\d+)", body)
    return int(found[1]), int(found[3]), 10 if found[2] else 1

async def chunks(count, rate, width=1):
    """``count`` chunks of 5 characters, ``rate`` a second; 0: without ever suspending.

    With ``width``, each is repeated so often.
    """
    began = time.monotonic()
    for number in range(count):
        if rate:
            wait = began + number / rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
        yield f"{number:04d} " * width

MARKDOWN = """
## The gardens

Lavender comes to **41.4** visits a day, if the fourth count is left out. It rained that morning, so
that the bees stayed in their hives until noon; the other counts are of *dry* days only.

- sunflowers are visited most before ten o'clock,
- clover is visited all day.

```python
for flower, counts in visits.items():
    print(f"{flower:10}{mean(counts):6.1f}")
```

"""

async def markdown(count, rate, width):
    """The same, of Markdown as models write it."""
    size = 5 * width
    text = MARKDOWN * (count * size // len(MARKDOWN) + 1)
    async for chunk in chunks(count, rate):
        yield text[size * int(chunk):][:size]

async def unheard(body):
    """The same, and nobody writes any of it."""
    async for _ in chunks(*program(body)):
        pass
'''

_OURS = """
import time
from jupyter_ai_personas import BasePersona, PersonaDefaults
from bench_stream.chunks import chunks, markdown, program, unheard

class Stream(BasePersona):
    defaults = PersonaDefaults(name="Stream", description="Emits chunks.")

    async def process_message(self, message):
        end = time.monotonic() + (0.5 if "spinning" in message.body else 0)
        while time.monotonic() < end:
            pass
        if "unheard" in message.body:
            return await unheard(message.body)
        make = markdown if "Markdown" in message.body else chunks
        await self.stream_message(make(*program(message.body)))
"""

_PEERS = """
from jupyter_ai_persona_manager import BasePersona, PersonaDefaults
from bench_stream.chunks import chunks, program, unheard

class Stream(BasePersona):
    @property
    def defaults(self):
        return PersonaDefaults(
            name="Stream", description="Emits chunks.", avatar_path="", system_prompt=""
        )

    async def process_message(self, message):
        if "unheard" in message.body:
            return await unheard(message.body)
        await self.stream_message(chunks(*program(message.body)))
"""

_FLOOR = '''
import asyncio, json, time, uuid
from pycrdt import Map, Text
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from bench_stream.chunks import chunks, program, unheard

INTERVAL = 0.25

class Run(APIHandler):
    """Appends chunks to a Text in a chat: the first at once, then one write every 250 ms."""

    async def post(self):
        asked = self.get_json_body()
        chats = self.settings["chats_by_id"].values()
        chat = next(c for c in chats if c.get_path() == asked["path"])
        self.application.settings["bench_task"] = asyncio.create_task(run(chat, asked["body"]))
        self.finish("{}")

async def run(chat, body):
    if "unheard" in body:
        return await unheard(body)
    text = None
    waiting = []
    due = 0.0

    def flush():
        text.__iadd__("".join(waiting))
        waiting.clear()

    async for chunk in chunks(*program(body)):
        if text is None:
            text = Text(chunk)
            chat.ymessages.append(Map({
                "id": str(uuid.uuid4()), "type": "msg", "sender": "a::b::floor", "body": text,
                "time": time.time(), "raw_time": False,
            }))
            due = time.monotonic() + INTERVAL
            continue
        waiting.append(chunk)
        if time.monotonic() >= due:
            flush()
            due = time.monotonic() + INTERVAL
    if waiting:
        flush()

class BenchFloor(ExtensionApp):
    name = "bench_floor"
    handlers = [(r"/bench/run", Run)]

def _jupyter_server_extension_points():
    return [{"module": "bench_floor", "app": BenchFloor}]
'''

_PROBE = '''
import asyncio, gc, json, os, threading, time, weakref
from pycrdt import Map
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp

ARRIVED = {}
SEEN = weakref.WeakKeyDictionary()

class Arrivals(APIHandler):
    """When each message arrived in a document, by id."""

    async def get(self):
        self.finish(json.dumps(ARRIVED))

class Census(APIHandler):
    """What lives in the process."""

    async def get(self):
        gc.collect()
        loop = asyncio.get_running_loop()
        self.finish(json.dumps({
            "tasks": len(asyncio.all_tasks()),
            "timers": len([t for t in loop._scheduled if not t.cancelled()]),
            "threads": threading.active_count(),
            "chats": len(self.settings.get("chats_by_id", {})),
            "personas": sum(
                any(c.__name__ == "BasePersona" for c in type(o).__mro__)
                for o in gc.get_objects()
            ),
        }))

def on_change(event):
    now = time.time()
    for step in event.delta:
        for item in step.get("insert", ()):
            if isinstance(item, Map):
                ARRIVED.setdefault(item["id"], now)

async def on_chat(logger, schema_id, data, manager=None):
    chat = manager.get(data.get("chat_id"))
    if chat is not None and chat not in SEEN:
        SEEN[chat] = chat.ymessages.observe(on_change)

class BenchProbe(ExtensionApp):
    name = "bench_probe"
    handlers = [(r"/bench/arrivals", Arrivals), (r"/bench/census", Census)]

    async def _start_jupyter_server_extension(self, serverapp):
        manager = serverapp.web_app.settings["chat_manager"]

        async def observe(logger, schema_id, data):
            await on_chat(logger, schema_id, data, manager)

        manager.observe_chats(observe)

def _jupyter_server_extension_points():
    return [{"module": "bench_probe", "app": BenchProbe}]
'''


def make_stream(directory: Path, *, peer: bool) -> Path:
    """The persona `Stream`, for this project or for the alternative."""
    return make_plugin(
        directory,
        "bench_stream",
        {"chunks.py": _CHUNKS, "stream.py": _PEERS if peer else _OURS},
        {"jupyter_ai.personas": {"stream": "bench_stream.stream:Stream"}},
    )


def make_floor(directory: Path) -> Path:
    """The extension `bench_floor` with ``POST /bench/run``."""
    make_plugin(directory, "bench_stream", {"chunks.py": _CHUNKS}, {})
    return make_plugin(directory, "bench_floor", {"__init__.py": _FLOOR}, {})


def make_probe(directory: Path) -> Path:
    """The extension `bench_probe` with ``/bench/arrivals`` and ``/bench/census``."""
    return make_plugin(directory, "bench_probe", {"__init__.py": _PROBE}, {})


def make_personas(directory: Path, count: int, source: str, name: str = "bench_many") -> Path:
    """``count`` personas `P0` …, all with the body ``source`` of ``process_message``."""
    lines = ["from jupyter_ai_personas import BasePersona, PersonaDefaults", "import asyncio, time"]
    for number in range(count):
        lines += [
            f"class P{number}(BasePersona):",
            f'    defaults = PersonaDefaults(name="P{number}", description="One of many.")',
            "    async def process_message(self, message):",
            *(f"        {line}" for line in source.splitlines()),
        ]
    points = {f"p{number}": f"{name}.many:P{number}" for number in range(count)}
    files = {"many.py": "\n".join(lines) + "\n"}
    return make_plugin(directory, name, files, {"jupyter_ai.personas": points})
