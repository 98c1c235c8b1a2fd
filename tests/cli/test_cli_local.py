"""The commands and the personas of files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from agents import obedient
from support.programs import Ran, Run, findings


def write_local(root: Path, folder: str, name: str, *lines: str) -> None:
    place = root / folder / ".jupyter" / "personas"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name.lower()}.md").write_text("\n".join(["---", f"name: {name}", *lines, "---"]))


def local_findings(ran: Ran) -> dict[str, str]:
    found = json.loads(ran.stdout)["findings"]
    return {f["text"]: f["state"] for f in found if f["section"] == "Local personas"}


def test_doctor_looks_at_the_personas_of_files_in_all_folders(run: Run, tmp_path: Path) -> None:
    write_local(tmp_path, "", "Researcher")
    write_local(tmp_path, "a/b", "Critic", "tols: [workspace]")
    write_local(tmp_path, "a", "Guide")
    write_local(tmp_path, ".hidden", "Unseen", "tols: 1")
    write_local(tmp_path, "c", "Reader", "tools: [workspce, notebook.read, 'mcp:*']")
    config = {"AiExtension": {"default_model": "workspace:search"}}
    ran = run("doctor", "--json", "--root", str(tmp_path), config=config)
    assert local_findings(ran) == {
        "Researcher (@Researcher, from .jupyter/personas/researcher.md) "
        "uses workspace:search": "ok",
        "Reader (@Reader, from c/.jupyter/personas/reader.md) names `workspce`, which no toolset "
        "or tool here is called": "broken",
        "a/.jupyter/personas/guide.md, the name `Guide` is taken by a persona of "
        "`jupyter_ai_personas`; choose another.": "broken",
        "a/b/.jupyter/personas/critic.md, line 3: there is no key `tols`; did you mean `tools`?":
            "broken",
    }  # fmt: skip
    assert ran.returncode == 1


def test_doctor_says_when_files_define_no_personas(run: Run, tmp_path: Path) -> None:
    write_local(tmp_path, "", "Critic", "tols: [workspace]")
    config = {"AiExtension": {"local_personas": "off"}}
    found = local_findings(run("doctor", "--json", "--root", str(tmp_path), config=config))
    assert list(found.values()) == ["note"]
    found = local_findings(run("doctor", "--json", "--root", str(tmp_path / "none")))
    assert list(found.values()) == ["broken"]


def test_list_has_the_personas_of_files_in_the_root(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_local(tmp_path, "", "Researcher")
    write_local(tmp_path, "", "Critic", "tols: 1")
    write_local(tmp_path, "below", "Other")
    monkeypatch.chdir(tmp_path)
    found = json.loads(run("list", "--json").stdout)
    assert {p["name"]: p["source"] for p in found["personas"]}["Researcher"] == "local"
    assert "Other" not in [p["name"] for p in found["personas"]]
    [critic] = [one for one in found["broken"] if one["name"] == "Critic"]
    assert critic["error"].startswith("line 3: there is no key `tols`")
    assert "Broken: Critic." in run("list").stdout


def test_doctor_tries_agents_out_and_says_what_helps(run: Run, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.write_text("#!/bin/sh\n")
    agent = [sys.executable, obedient.SCRIPT]
    env = {"AGENT_MEMORY": str(tmp_path / "memory.jsonl")}
    agents = {
        "Well": {"command": agent, "env": env, "mode": "plan"},
        "Ghost": {"command": ["no-such-agent"]},
        "Locked": {"command": str(locked)},
        "Dead": {"command": ["sh", "-c", "echo no model configured >&2; exit 3"]},
        "Keyless": {"command": agent, "args": ["login-env"], "env": env},
        "Odd": {"command": agent, "env": env, "mode": "wild"},
    }
    result = run("doctor", "--json", config={"AiExtension": {"acp_agents": agents}})
    about = "from c.AiExtension.acp_agents)"
    well = {finding["text"] for finding in findings(result, "ok")}
    assert f"Well (@Well, {about} was started, and begins a session" in well
    broken = {
        finding["text"].partition(" ")[0]: (finding["text"], finding["fix"])
        for finding in findings(result, "broken")
    }
    for name, text, fix in (
        ("Ghost", "there is no command `no-such-agent`", "Install it, or give its full path"),
        ("Locked", f"`{locked}` is not executable", f"Run `chmod +x {locked}`"),
        ("Dead", "it ended with exit code 3. It wrote: no model configured", "Run `sh -c "),
        (
            "Keyless",
            "it wants a login first: Authentication required",
            "The operator can set `AGENT_KEY` in its `env` in `c.AiExtension.acp_agents`",
        ),
        ("Odd", "it has no mode `wild`. It has `ask`, `plan`", "Correct its `mode` in"),
    ):
        assert broken[name][0] == f"{name} (@{name}, {about} cannot be started: {text}"
        assert broken[name][1].startswith(fix)
