"""Agents as personas: a real subprocess answers in a chat in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.room import LOG, FakeStage
from support.weather import weather_url

from agents.talking import asked, decide, said
from jupyter_ai_personas.acp.session import SessionFacts
from jupyter_ai_personas.tools import McpServers
from jupyter_ai_personas.tools.mcp_settings import McpServerSettings

ALLOW = {"*": "allow"}


async def test_an_agent_answers_a_mention_and_its_tokens_are_recorded(agents: Any) -> None:
    async with agents.room() as here:
        reply = await here.reply(here.say("@Bot hello there"))
        assert reply.body == "heard hello there"
        assert reply.state == "done"
        assert reply.metadata["usage"]["total_tokens"] == 10
        again = await here.reply(here.say("@Bot again"))
        assert again.metadata["usage"]["total_tokens"] == 10
        assert again.metadata["usage"]["model"] == "small-1"
        await here.quiet()
        status = await here.command("/status")
        assert "`small-1`: 2 replies, 20 tokens" in status
    assert len(agents.noted("pid")) == 1


async def test_thoughts_plans_and_calls_are_collapsed_lines_around_the_text(agents: Any) -> None:
    async with agents.room() as here:
        body = await said(here, "show")
    thought, plan, call, end = body.split("<details><summary>")[1:]
    assert thought.startswith("💭 Thought</summary>\n\n    First </details> I think.\n\n</details>")
    assert plan.startswith("📋 Plan, 0 of 2 done</summary>\n\n    [ ] Look\n    [ ] Tell\n")
    assert call.startswith("🔧 Look &#60;b&#62; · x · done")
    assert "Result:\n\n    text: found it\n" in call
    assert "</details>\n\nHere it is.\n\n" in call
    assert end.startswith("📋 Plan, 1 of 2 done</summary>\n\n    [x] Look\n    [ ] Tell\n")


async def test_each_message_of_the_agent_is_a_paragraph(agents: Any) -> None:
    async with agents.room() as here:
        assert await said(here, "messages one two") == "said.\n\nsaid."


async def test_one_process_and_one_session_serve_all_people_of_a_chat(agents: Any) -> None:
    async with agents.room() as here:
        first = await here.reply(here.say("@Bot where", by="Ada"))
        second = await here.reply(here.say("@Bot where", by="Bob"))
    root = str(agents.root)
    assert first.body == second.body == f"session-1 in {root} ({root})"
    assert len(agents.noted("pid")) == 1


async def test_a_new_session_is_told_what_was_said_and_later_turns_what_it_missed(
    agents: Any,
) -> None:
    async with agents.room() as here:
        here.say("The sky is green.", by="Bob")
        await said(here, "one")
        here.say("The sea is red.", by="Bob")
        await said(here, "two")
        await said(here, "/compact")
    first, second, command = agents.noted("prompt")
    assert "You answer in a chat" in first[0]
    assert "Bob: The sky is green." in first[0]
    assert first[0].endswith("Ada writes:")
    assert first[1] == "one"
    assert "Bob: The sea is red." in second[0]
    assert "green" not in second[0]
    assert "heard one" not in second[0]
    assert command == ["/compact"]


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_session_goes_on_after_a_restart_where_the_agent_can(
    agents: Any, forgets: bool
) -> None:
    args = ["forgets"] if forgets else []
    stage = FakeStage()
    async with agents.room(*args, stage=stage) as here:
        assert (await said(here, "where")).startswith("session-1 ")
    async with agents.room(*args, stage=stage) as here:
        body = await said(here, "where")
    assert body.startswith("session-2 " if forgets else "session-1 ")
    assert "said long ago" not in body
    # A session that is new is told what was said.
    assert ("session-1 in" in agents.noted("prompt")[1][0]) is forgets


async def test_a_copy_of_a_chat_does_not_share_its_session(agents: Any) -> None:
    first, copy = FakeStage(), FakeStage()
    async with agents.room(stage=first) as here:
        assert (await said(here, "where")).startswith("session-1 ")
    for name, value in first.chat.metadata().items():
        copy.chat.set_metadata(name, value)
    copy.memory.id = "another"
    async with agents.room(stage=copy) as here:
        assert (await said(here, "where")).startswith("session-2 ")


async def test_the_process_has_only_the_environment_that_it_needs(
    agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-server-1234")
    monkeypatch.setenv("MY_KEY", "key-of-the-agent-5678")
    async with agents.room(env={"AGENT_KEY": "${MY_KEY}", "MODE": "fast"}) as here:
        env = json.loads(await said(here, "env"))
    assert env["AGENT_KEY"] == "key-of-the-agent-5678"
    assert env["MODE"] == "fast"
    assert env["PATH"]
    assert env["HOME"]
    assert "OPENAI_API_KEY" not in env
    assert "MY_KEY" not in env


async def test_a_variable_that_is_not_set_is_named(agents: Any) -> None:
    async with agents.room(env={"KEY": "${NOT_SET_ANYWHERE}"}) as here:
        body = await said(here, "hello", "failed")
    assert "The variable `NOT_SET_ANYWHERE` is not set. Set it" in body


# -- approvals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outcome", "option"), [("approved", "yes"), ("denied", "no")])
async def test_a_permission_is_an_approval(agents: Any, outcome: str, option: str) -> None:
    async with agents.room() as here:
        message = here.say("@Bot ask rm -r build")
        approval = await asked(here)
        assert approval.tool == "Bot.execute"
        assert approval.arguments == {"title": "rm -r build", "input": {"command": "rm -r build"}}
        await decide(here, outcome)
        reply = await here.reply(message)
    assert reply.body.endswith(f"allowed: {outcome == 'approved'}")
    assert agents.noted("outcome") == [
        {"outcome": "selected", "option_id": option, "field_meta": None}
    ]


@pytest.mark.parametrize(("policy", "allowed"), [("allow", True), ("deny", False)])
async def test_the_policy_decides_about_a_permission_first(
    agents: Any, policy: str, allowed: bool
) -> None:
    async with agents.room(policy={"Bot.execute": policy}) as here:
        assert (await said(here, "ask ls")).endswith(f"allowed: {allowed}")
        assert not here.runtime.approvals.open()


async def test_a_blocked_kind_is_never_allowed(agents: Any) -> None:
    async with agents.room(policy=ALLOW, tools={"blocked_tools": ["Bot.execute"]}) as here:
        assert (await said(here, "ask ls")).endswith("allowed: False")


async def test_people_are_shown_the_diff_of_an_edit_and_the_reply_where_it_was(
    agents: Any,
) -> None:
    (agents.root / "notes.md").write_text("They like 23 degrees.\nThey hum.\n")
    async with agents.room() as here:
        message = here.say("@Bot edit notes.md")
        approval = await asked(here)
        assert approval.tool == "Bot.edit"
        assert (
            "`diff`:\n\n```diff\n--- notes.md (now)\n+++ notes.md (then)\n@@ -1,2 +1,2 @@\n"
            "-They like 23 degrees.\n+They like 24 degrees.\n They hum.\n```"
        ) in approval.text
        assert 'paths: ["notes.md:1"]' in approval.text
        await decide(here, "approved")
        reply = await here.reply(message)
    assert "🔧 Edit notes.md · notes.md:1 · done" in reply.body
    assert "    diff:\n      --- notes.md (now)\n" in reply.body
    assert "      +They like 24 degrees.\n" in reply.body


async def test_the_output_of_a_command_is_in_its_call_also_once_it_is_released(
    agents: Any,
) -> None:
    async with agents.room(policy=ALLOW) as here:
        body = await said(here, "command echo from the terminal")
    assert "🔧 Run · done" in body
    assert "Result:\n\n    output:\n      from the terminal\n" in body


# -- files ----------------------------------------------------------------------------------------


async def test_files_are_read_as_they_are_open_and_in_parts(agents: Any) -> None:
    (agents.root / "a.txt").write_text("saved\n")
    agents.desk.rooms.open_text("a.txt", "one\ntwo\nthree\n")
    path = agents.root / "a.txt"
    async with agents.room() as here:
        assert "'one\\ntwo\\nthree\\n'" in await said(here, f"read {path}")
        assert "'two\\n'" in await said(here, f"part {path}")


async def test_a_notebook_is_read_as_its_cells(agents: Any) -> None:
    agents.desk.open("a.ipynb", "x = 1")
    async with agents.room() as here:
        assert "x = 1" in await said(here, f"read {agents.root / 'a.ipynb'}")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/passwd", "outside of the workspace"),
        ("../memory.jsonl", "outside of the workspace"),
        ("link.txt", "refused"),
        (".env", "refused"),
        ("none.txt", "refused"),
    ],
)
async def test_files_are_confined(agents: Any, path: str, reason: str) -> None:
    (agents.root / ".env").write_text("KEY=hidden-value")
    (agents.root.parent / "outside.txt").write_text("hidden-value")
    (agents.root / "link.txt").symlink_to(agents.root.parent / "outside.txt")
    async with agents.room(policy=ALLOW) as here:
        body = await said(here, f"read {path}")
    assert reason in body
    assert "hidden-value" not in body


async def test_a_write_is_asked_about_and_changes_the_open_document(agents: Any) -> None:
    (agents.root / "a.txt").write_text("old\n")
    document = agents.desk.rooms.open_text("a.txt", "typed\n")
    async with agents.room() as here:
        message = here.say(f"@Bot write {agents.root / 'a.txt'}")
        approval = await asked(here)
        assert approval.tool == "workspace.write_file"
        assert "-typed\n+written" in approval.text
        assert str(document.get()) == "typed\n"
        await decide(here, "approved")
        reply = await here.reply(message)
        assert "answered" in reply.body
        assert str(document.get()) == "written\n"
        assert "Took back 1 change" in await here.command("/undo")
    assert str(document.get()) == "typed\n"


@pytest.mark.parametrize("path", ["new.txt", "folder/new.txt"])
async def test_a_new_file_is_written_once_it_is_allowed(agents: Any, path: str) -> None:
    (agents.root / "folder").mkdir()
    async with agents.room(policy={"workspace.write_file": "allow"}) as here:
        assert "answered" in await said(here, f"write {path}")
    assert (agents.root / path).read_text() == "written\n"


async def test_a_denied_write_changes_nothing(agents: Any) -> None:
    async with agents.room(policy={"workspace.write_file": "deny"}) as here:
        assert "does not allow" in await said(here, "write new.txt")
    assert not (agents.root / "new.txt").exists()


async def test_an_agent_without_the_toolset_reads_nothing(agents: Any) -> None:
    (agents.root / "a.txt").write_text("hidden-value")
    async with agents.room(tools={"persona_tools": {"Bot": []}}) as here:
        body = await said(here, "read a.txt")
    assert "refused" in body
    assert "hidden-value" not in body


# -- commands -------------------------------------------------------------------------------------


async def test_a_terminal_runs_after_it_is_approved_in_a_bare_environment(
    agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-server-1234")
    async with agents.room(env={"AGENT_KEY": "key-of-the-agent-5678"}) as here:
        message = here.say("@Bot run pwd; echo [$OPENAI_API_KEY$AGENT_KEY]; exit 5")
        approval = await asked(here)
        assert approval.tool == "Bot.terminal"
        assert approval.arguments["command"].startswith("pwd; echo")
        assert not here.replies(message)
        await decide(here, "approved")
        reply = await here.reply(message)
    assert f"'{agents.root}\\n[]\\n' 5" in reply.body


async def test_a_denied_terminal_does_not_run(agents: Any) -> None:
    async with agents.room() as here:
        message = here.say("@Bot run touch made")
        await decide(here, "denied")
        assert "was not allowed" in (await here.reply(message)).body
    assert not (agents.root / "made").exists()


# -- MCP servers ----------------------------------------------------------------------------------


async def test_mcp_servers_of_the_persona_are_passed_on(agents: Any) -> None:
    servers = {
        "weather": McpServerSettings("weather-server", ("-v",), {"KEY": "weather-key-1234"}),
        "other": McpServerSettings("other-server"),
    }
    mcp = McpServers(servers, log=LOG)
    tools = {"persona_tools": {"Bot": ["workspace", "mcp:weather", "mcp:other"]}}
    async with agents.room(policy={"mcp:weather.*": "allow"}, tools=tools, mcp=mcp) as here:
        [told] = json.loads(await said(here, "mcps"))
    assert (told["name"], told["command"], told["args"]) == ("weather", "weather-server", ["-v"])


async def test_a_server_by_http_is_passed_on_with_its_headers_to_an_agent_that_can(
    agents: Any,
) -> None:
    server = McpServerSettings(url="http://localhost:1/mcp", headers={"X-Key": "http-key-1234"})
    tools = {"persona_tools": {"Bot": ["mcp:far"]}}
    for args, count in ((["http"], 1), ([], 0)):
        mcp = McpServers({"far": server}, log=LOG)
        options: Any = {"policy": {"mcp:far.*": "allow"}, "tools": tools, "mcp": mcp}
        async with agents.room(*args, **options) as here:
            told = json.loads(await said(here, "mcps"))
        assert len(told) == count
        for one in told:
            assert one["url"] == "http://localhost:1/mcp"
            assert {h["name"]: h["value"] for h in one["headers"]} == {"X-Key": "http-key-1234"}


async def test_an_agent_reaches_a_server_by_http_that_it_is_told_of(agents: Any) -> None:
    with weather_url() as url:
        mcp = McpServers({"weather": McpServerSettings(url=url)}, log=LOG)
        tools = {"persona_tools": {"Bot": ["mcp:weather"]}}
        policy = {"mcp:weather.*": "allow"}
        async with agents.room("http", policy=policy, tools=tools, mcp=mcp) as here:
            assert await said(here, "weather Bern") == "Sun in Bern"


# -- models, modes and commands -------------------------------------------------------------------


async def test_the_model_of_an_agent_is_chosen_among_those_that_it_tells_of(agents: Any) -> None:
    async with agents.room() as here:
        assert await said(here, "how") == "small-1, ask"
        assert "uses `small-1`" in await here.command("/model @Bot")
        assert "Did you mean `large-1`" in await here.command("/model @Bot larg-1")
        assert "uses `large-1`" in await here.command("/model @Bot Large")
        assert await said(here, "how") == "large-1, ask"
    assert len(agents.noted("pid")) == 1


async def test_a_model_that_an_agent_does_not_have_is_named_with_those_that_it_has(
    agents: Any,
) -> None:
    async with agents.room() as here:
        await here.command("/model @Bot huge")
        body = await said(here, "how", "failed")
    assert "`Bot` has no model `huge`. It has `small-1`, `large-1`." in body


async def test_the_operator_chooses_the_mode_of_an_agent(agents: Any) -> None:
    async with agents.room(mode="plan") as here:
        assert await said(here, "how") == "small-1, plan"
    async with agents.room(mode="wild") as here:
        assert "has no mode `wild`. It has `ask`, `plan`." in await said(here, "how", "failed")


async def test_commands_of_an_agent_are_listed_and_sent_to_it(agents: Any) -> None:
    async with agents.room() as here:
        await said(here, "hello")
        assert "- `/compact` (Bot): Forgets what was said." in await here.command("/help")
        listed = await here.runtime.commands("room.chat")
        assert ("/compact", "Bot") in [(one.name, one.persona) for one in listed]
        reply = await here.reply(here.say("/compact all of it"))
    assert reply.body == "forgotten"
    assert agents.noted("prompt")[-1] == ["/compact all of it"]


def test_models_are_read_as_agents_told_them_before() -> None:
    facts = SessionFacts()
    # As claude-agent-acp 0.23.1 answers `session/new`.
    facts.take_answer(
        {
            "sessionId": "1",
            "models": {
                "availableModels": [
                    {"modelId": "default", "name": "Default (recommended)", "description": "x"},
                    {"modelId": "haiku", "name": "Haiku", "description": "y"},
                ],
                "currentModelId": "default",
            },
            "modes": {
                "currentModeId": "default",
                "availableModes": [{"id": "plan", "name": "Plan", "description": "z"}],
            },
        }
    )
    assert facts.models == {"default": "Default (recommended)", "haiku": "Haiku"}
    assert (facts.model, facts.mode, facts.modes) == ("default", "default", {"plan": "Plan"})
    assert facts.choice_of_model("haiku") == ("session/set_model", {"modelId": "haiku"})


@pytest.mark.parametrize("answer", [None, [], {"models": []}, {"modes": 1, "models": {}}])
def test_an_answer_that_tells_nonsense_of_a_session_tells_nothing(answer: Any) -> None:
    facts = SessionFacts()
    facts.take_answer(answer)
    assert facts == SessionFacts()


# -- logging in -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "key"),
    [
        ("login", "its key"),
        ("login-late", "its key"),
        ("login-late claude", "`ANTHROPIC_API_KEY`"),
        ("login-env", "`AGENT_KEY`"),
        ("login-env claude", "`AGENT_KEY`"),
    ],
)
async def test_an_agent_that_wants_a_login_says_what_the_operator_can_do(
    agents: Any, when: str, key: str
) -> None:
    async with agents.room(*when.split()) as here:
        body = await said(here, "hello", "failed")
    assert "`Bot` wants a login first: Authentication required." in body
    assert f"The operator can set {key} in its `env` in `c.AiExtension.acp_agents`" in body
    assert "It offers: Log in on the web." in body


async def test_an_agent_that_has_its_key_is_told_to_use_it(agents: Any) -> None:
    async with agents.room("login-env", env={"AGENT_KEY": "key-of-the-agent"}) as here:
        assert await said(here, "hello") == "heard hello "
    assert agents.noted("authenticated") == ["key"]
