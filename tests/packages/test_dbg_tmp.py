import pytest
from packages.test_acp_client import server, chat

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]


async def test_dbg(server):
    async with chat(server) as ada:
        for i in range(3):
            await ada.wait_for_reply(ada.post("@Claude x"), "Claude")
            _, found = await server.get(f"/api/ai/commands?chat_path={ada.path}")
            print([(o["name"], o["persona"]) for o in found["commands"]][-2:])
        a = ada.post("/compact")
        try:
            r = await ada.wait_for_reply(a, "Claude")
            print(r)
        except BaseException as e:
            print("ERR", str(e)[:3000])
    print(
        *[
            l
            for l in server.log
            if "session_update" in l or "refused" in l or "Available" in l or "rror" in l
        ][-30:],
        sep="\n",
    )
