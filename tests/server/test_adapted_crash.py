"""A persona written for Jupyter AI whose server is killed: one final reply for each message."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient

pytestmark = pytest.mark.server

SOURCE = '''
import asyncio
from pathlib import Path
from time import time

from jupyter_ai.personas.base_persona import BasePersona, PersonaDefaults
from jupyterlab_chat.models import Message, NewMessage


class Slow(BasePersona):
    """Writes as agents do: an empty message, then pieces, then metadata."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    @property
    def defaults(self):
        return PersonaDefaults(
            name="Slow",
            description="Of another package.",
            avatar_path=str(Path(__file__).with_name("slow.svg")),
            system_prompt="...",
        )

    async def process_message(self, message):
        times = self.ychat.get_metadata().get("times", 0) + 1
        self.ychat.set_metadata("times", times)
        id_ = self.ychat.add_message(NewMessage(body="", sender=self.id))

        def add(text):
            self.ychat.update_message(
                Message(id=id_, body=text, time=time(), sender=self.id, raw_time=False),
                append=True,
            )

        add(f"time {times}: ")
        while not (Path(self.parent.root_dir) / "go").exists():
            await asyncio.sleep(0.01)
        add("whole")
'''


async def test_a_killed_server_leaves_one_interrupted_reply_and_a_retry_replaces_it(
    tmp_path: Path,
) -> None:
    package = make_plugin(
        tmp_path / "packages",
        "other_package",
        {"slow.py": SOURCE, "slow.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>"},
        {"jupyter_ai.personas": {"slow": "other_package.slow:Slow"}},
    )
    async with JupyterServer(tmp_path / "server", pythonpath=[package]) as server:
        async with ChatClient(server, "a.chat", "Ada") as ada:
            asked = ada.post("@Slow please")
            await ada.wait_for_reply(asked, "Slow", "streaming")
        server.kill()
        await server.start()
        async with ChatClient(server, "a.chat", "Ada") as ada:
            cut_off = await ada.wait_for_reply(asked, "Slow", "interrupted")
            assert len(ada.replies(asked)) == 1
            (server.root_dir / "go").touch()
            ada.post("/retry")
            reply = await ada.wait_for_reply(asked, "Slow", "done")
            assert reply["id"] == cut_off["id"]
            assert reply["body"].endswith("whole")
            assert len(ada.replies(asked)) == 1
            assert reply["sender"] == "jupyter-ai-personas::other_package::Slow"
