"""``doctor``: checks everything that personas need, and names the fix for each problem."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import platform
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import importlib_metadata
from packaging.requirements import Requirement

from jupyter_ai_personas.cli.findings import Finding, State
from jupyter_ai_personas.cli.hosts import places_of
from jupyter_ai_personas.cli.installation import LogKeeper, load_runtime, read_extension
from jupyter_ai_personas.discovery import Broken
from jupyter_ai_personas.errors import ConfigurationError, PersonasError
from jupyter_ai_personas.personas import ChatPersonas, LocalPersonas
from jupyter_ai_personas.redaction import redact

if TYPE_CHECKING:
    from jupyter_ai_personas.personas import Persona
    from jupyter_ai_personas.providers import ModelReference, ModelRegistry
    from jupyter_ai_personas.runtime import Runtime
    from jupyter_ai_personas.server import AiExtension
    from jupyter_ai_personas.tools import ToolRegistry

__all__ = ["doctor"]

_OWN = "jupyter_ai_personas"
_CHAT_EXTENSIONS = ("jupyterlab_chat", "jupyter_server_ydoc", "jupyter_server_fileid")
_NO_CHATS = "no chats for personas to join"
_WITH_CHATS = f"`pip install '{_OWN}[lab]'`"
_PERSONAS_OFF = "Personas stay off until this is corrected; then run this again"
_SIGNS = {"ok": "  ok  ", "note": "  --  ", "broken": "  !!  "}

UNUSED_GROUPS = {
    "jupyter_ai.embeddings_model_providers": "Search works without embeddings",
    "jupyter_ai.chat_handlers": "Write a persona, or a toolset for its model, instead",
    "jupyter_ai.default_tasks": "Write the task as a Markdown persona in `.jupyter/personas/`",
    "jupyter_ai.model_engine_classes": "Write a model provider instead",
}
"""Entry-point groups of Jupyter AI 2 that nothing here reads → what to use."""


def doctor(*, as_json: bool, root: Path | None = None) -> int:
    """Print the results; return 1 if there is a problem, else 0.

    ``root`` is the folder that the server serves, the configured one if it is not given.
    """
    findings = [
        dataclasses.replace(one, text=redact(one.text), fix=redact(one.fix))
        for one in _all_findings(root)
    ]
    broken = [finding for finding in findings if finding.state == "broken"]
    if as_json:
        report = {"ok": not broken, "findings": [dataclasses.asdict(f) for f in findings]}
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for section, group in groupby(findings, key=lambda finding: finding.section):
            print(section)
            for finding in group:
                print(f"{_SIGNS[finding.state]}{finding.text}")
                if finding.fix:
                    print(f"      fix: {finding.fix}")
        print(f"\n{_summary(findings)}")
    return 1 if broken else 0


def _summary(findings: Sequence[Finding]) -> str:
    broken = sum(finding.state == "broken" for finding in findings)
    if broken:
        return f"{broken} broken: see the lines with !!"
    if any(finding.text.endswith(_NO_CHATS) for finding in findings):
        return f"Nothing is broken, but there are {_NO_CHATS}: run {_WITH_CHATS}"
    return "All is well."


def _all_findings(root: Path | None) -> Iterator[Finding]:
    """Yield the results of all checks, and an unexpected error as the last."""
    try:
        yield from _examine(root)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        yield Finding("Doctor", "broken", f"This could not be finished: {text}", "Report this")


def _examine(root: Path | None) -> Iterator[Finding]:
    from jupyter_ai_personas.server.unmatched import unmatched_names

    yield from _environment()
    keeper = LogKeeper()
    try:
        extension = read_extension(keeper)
        yield from _extensions(extension)
        yield from _other_runtimes(extension)
        yield from _unused_plugins()
        yield from _logged("Configuration", keeper, at_least="broken")
        for remark in extension.remarks:
            yield Finding("Configuration", "broken", remark, "Correct or remove it")
        if reasons := extension.why_off():
            yield from (Finding("Configuration", "broken", one, _PERSONAS_OFF) for one in reasons)
            return
        runtime = load_runtime(extension)
    except ConfigurationError as error:
        yield from _logged("Configuration", keeper, at_least="broken")
        yield Finding("Configuration", "broken", str(error), "Correct that, then run this again")
        return
    for name in unmatched_names(runtime):
        fix = f"Change `c.AiExtension.{name.setting}`"
        yield Finding("Configuration", "broken", name.text, fix)
    yield from _logged("Plug-ins", keeper, at_least="note")
    yield from _personas(runtime)
    yield from _local_personas(runtime, root)
    yield from places_of(runtime)
    yield from _providers(runtime.models)
    yield from _toolsets(runtime.tools)
    yield _default_model(runtime.models)


def _logged(section: str, keeper: LogKeeper, *, at_least: State) -> Iterator[Finding]:
    for line in dict.fromkeys(keeper.kept):  # each reader of a file logs its problem
        yield Finding(section, "broken" if line.grave else at_least, line.text)
    keeper.kept.clear()


# -- environment ---------------------------------------------------------------------------------


def _environment() -> Iterator[Finding]:
    section = "Environment"
    yield Finding(section, "ok", f"Python {platform.python_version()} ({sys.executable})")
    yield Finding(section, "ok", f"{_OWN} {importlib_metadata.version(_OWN)}")
    for line in importlib_metadata.requires(_OWN) or []:
        requirement = Requirement(line)
        needed = requirement.marker is None or requirement.marker.evaluate()
        if not needed and not (
            requirement.marker and requirement.marker.evaluate({"extra": "lab"})
        ):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            version = importlib_metadata.version(requirement.name)
        except importlib_metadata.PackageNotFoundError:
            if needed:
                fix = f"Run `pip install '{wanted}'`"
                yield Finding(section, "broken", f"{requirement.name} is missing", fix)
            else:
                text = f"{requirement.name} is not installed: {_NO_CHATS}"
                yield Finding(section, "note", text, f"Run {_WITH_CHATS}")
            continue
        if requirement.specifier.contains(version, prereleases=True):
            yield Finding(section, "ok", f"{requirement.name} {version}")
        else:
            text = f"{requirement.name} {version} does not fit: {wanted} is needed"
            yield Finding(section, "broken", text, f"Run `pip install '{wanted}'`")


def _extensions(extension: AiExtension) -> Iterator[Finding]:
    section = "Server extensions"
    server: Any = extension.serverapp
    enabled = server.jpserver_extensions
    for name in (_OWN, *_CHAT_EXTENSIONS):
        if enabled.get(name):
            yield Finding(section, "ok", f"{name} is enabled")
        elif find_spec(name) is not None:
            fix = f"Run `jupyter server extension enable {name}`"
            yield Finding(section, "broken", f"{name} is not enabled", fix)
    if server.config.get("YDocExtension", {}).get("disable_rtc"):
        text = "real-time collaboration is off, so personas cannot join chats"
        yield Finding(section, "broken", text, "Remove `c.YDocExtension.disable_rtc`")


def _other_runtimes(extension: AiExtension) -> Iterator[Finding]:
    from jupyter_ai_personas.server.other_runtimes import find_other_runtime

    server: Any = extension.serverapp
    other = find_other_runtime(server.jpserver_extensions)
    if other is None:
        return
    brought = f", which {_listed(other.brought_by)} requires" if other.brought_by else ""
    text = (
        f"Another runtime is enabled on this server: {_listed(other.distributions)}{brought}. It "
        "answers what is sent to its own personas; personas here leave that alone, and "
        "`c.AiExtension.default_persona` does not answer"
    )
    names = " ".join(one.partition(" ")[0].replace("_", "-") for one in other.distributions)
    fix = f"To use personas here only, run `pip uninstall {names}`"
    if other.brought_by:
        fix += f". {_listed(other.brought_by)} runs without: install it with `--no-deps`"
    yield Finding("Server extensions", "note", text, fix)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _unused_plugins() -> Iterator[Finding]:
    """Yield a note for each package with plug-ins of Jupyter AI that have no use here."""
    for group, advice in UNUSED_GROUPS.items():
        names: dict[str, list[str]] = {}
        for point in importlib_metadata.entry_points(group=group):
            source = point.dist.name if point.dist is not None else "an unknown package"
            names.setdefault(source, []).append(point.name)
        for source, some in sorted(names.items()):
            text = f"{', '.join(sorted(some))} (from {source}, in group `{group}`) has no use here"
            yield Finding("Plug-ins", "note", text, advice)


# -- plug-ins ------------------------------------------------------------------------------------


def _broken(section: str, entry: Broken) -> Finding:
    if entry.stage == "requirements":  # in the package's own words
        return Finding(section, "note", f"{entry.name} (from {entry.distribution}): {entry.error}")
    text = f"{entry.name} ({entry.value}, from {entry.distribution}): {entry.error}"
    return Finding(section, "broken" if entry.is_fault else "note", text, entry.fix)


def _personas(runtime: Runtime) -> Iterator[Finding]:
    from jupyter_ai_personas.personas.adapted.missing import missing_uses

    section = "Personas"
    for persona in runtime.personas.values():
        about = f"{persona.name} (@{persona.mention_name}, from {persona.source})"
        if (failure := runtime.personas.try_out(persona)) is not None:
            yield _broken(section, failure)
            continue
        model, problem = runtime.model_of(persona)
        if persona.is_agent:
            yield _agent(about, persona)
            continue
        if persona.is_adapted:
            yield Finding(section, "ok", f"{about} is written for Jupyter AI, and runs adapted")
            cls = runtime.personas.class_of(persona.class_path)
            for use in missing_uses(cls) if cls is not None else ():
                fix = f"Without it, {persona.name} may fail in an answer; ask its authors"
                yield Finding(section, "note", f"{persona.name} uses {use}", fix)
            continue
        if model is not None:
            problem = _why_not(runtime.models, runtime.models.resolve(model, chat=True))
        if problem:
            fix = _in_a_terminal(problem, "c.AiExtension.models")
            yield Finding(section, "broken", f"{about} has no model that can answer", fix)
        else:
            yield Finding(section, "ok", f"{about} uses {model}")
    for entry in runtime.personas.broken:
        yield _broken(section, entry)


def _agent(about: str, persona: Persona) -> Finding:
    from jupyter_ai_personas.acp import try_out, why_not_startable

    found = why_not_startable(persona) or asyncio.run(try_out(persona, _agents_log()))
    if found is not None:
        return Finding("Personas", "broken", f"{about} cannot be started: {found[0]}", found[1])
    if persona.avatar is not None and not persona.avatar.is_file():
        fix = f"Correct its `avatar` in `{persona.source}`"
        return Finding("Personas", "broken", f"{about} has an avatar that does not exist", fix)
    return Finding("Personas", "ok", f"{about} was started, and begins a session")


def _agents_log() -> logging.Logger:
    """Return a log that nobody reads: what agents write is in the finding."""
    log = logging.getLogger(f"{__name__}.agents")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    return log


def _local_personas(runtime: Runtime, root: Path | None) -> Iterator[Finding]:
    section = "Local personas"
    settings = runtime.settings
    if settings.local_personas == "off":
        yield Finding(section, "note", "c.AiExtension.local_personas is off: no file is read")
        return
    where = root if root is not None else settings.root_dir
    if where is None:
        yield Finding(section, "note", "the server keeps no files on a disk: there can be none")
        return
    if not Path(where).is_dir():
        yield Finding(section, "broken", f"there is no folder {where}", "Give one with `--root`")
        return
    local = LocalPersonas(Path(where), reads_only=settings.local_personas != "tools")
    for folder in local.folders():
        here = ChatPersonas(runtime.personas, local, partial(str, f"{folder}/_"))
        here.look_now()
        own = f"{folder}/".lstrip("/")
        for persona in here.values():
            if persona.file and persona.file.startswith(f"{own}.jupyter/"):
                about = f"{persona.name} (@{persona.mention_name}, from {persona.file})"
                model, problem = runtime.model_of(persona)
                unknown = ", ".join(f"`{n}`" for n in runtime.tools.unknown(persona, f"{folder}/_"))
                if model is None:
                    fix = _in_a_terminal(problem, "c.AiExtension.models")
                    yield Finding(section, "broken", f"{about} has no model", fix)
                elif unknown:
                    text = f"{about} names {unknown}, which no toolset or tool here is called"
                    yield Finding(section, "broken", text, "Correct `tools` in the file")
                else:
                    yield Finding(section, "ok", f"{about} uses {model}")
        for one in here.problems:
            if one.file.startswith(f"{own}.jupyter/"):
                yield Finding(section, "broken", str(one), "Correct the file; no restart is needed")


def _providers(models: ModelRegistry) -> Iterator[Finding]:
    section = "Model providers"
    for info in models.infos():
        if not info.available:
            yield Finding(section, "note", f"{info.id} is not ready: {info.problem}")
            continue
        strategy = models.known[info.id].strategy
        if getattr(strategy, "type", None) == "aws" and not models.credentials.present(strategy):
            text = f"{info.id} may be ready: no AWS credentials are seen, boto3 may find a role's"
            yield Finding(section, "note", text)
            continue
        model = next((name for name in info.models if name != "*"), None)
        # Check whether other packages' classes can be built. Built-in ones can, but vendors'
        # classes look for accounts that may not exist here.
        if model is not None and info.source not in (None, _OWN):
            problem = _why_not(models, models.resolve(f"{info.id}:{model}"))
            if problem:
                fix = f"Set what it asks for, or fix, upgrade or uninstall `{info.source}`"
                yield Finding(section, "broken", f"{info.id}: {problem}", fix)
                continue
        yield Finding(
            section, "ok", f"{info.id} is ready" + ("" if info.chat else " (magics only)")
        )
    for entry in models.broken:
        yield _broken(section, entry)


def _toolsets(tools: ToolRegistry) -> Iterator[Finding]:
    section = "Toolsets"
    for entry in tools.packages.broken:
        yield _broken(section, entry)
    for toolset in asyncio.run(tools.tried_out()):
        about = f"{toolset.name} (from {toolset.source})"
        if toolset.status == "broken":
            if toolset.name.startswith("mcp"):
                yield Finding(section, "broken", f"{about} cannot be used", toolset.problem)
            continue
        count = len(toolset.tools)
        text = f"{count} tool{'s' if count != 1 else ''}"
        if toolset.status == "starting":
            fix = "Look at what its command prints, or whether its URL answers"
            yield Finding(section, "broken", f"{about} does not answer", fix)
        elif toolset.problem:
            yield Finding(section, "note", f"{about}: {text}; {toolset.problem}")
        else:
            yield Finding(section, "ok", f"{about}: {text}")


def _default_model(models: ModelRegistry) -> Finding:
    section, setting = "Default model", "c.AiExtension.default_model"
    try:
        reference, why = models.default(chat=True)
    except PersonasError as error:
        return Finding(section, "broken", "there is none", _in_a_terminal(str(error), setting))
    if problem := _why_not(models, reference):
        text = f"{reference} ({why}) cannot answer"
        return Finding(section, "broken", text, _in_a_terminal(problem, setting))
    return Finding(section, "ok", f"{reference} ({why})")


def _why_not(models: ModelRegistry, reference: ModelReference) -> str:
    """Return why the model cannot be built here, or nothing; without network."""
    try:
        models.build(reference)
    except PersonasError as error:
        return str(error)
    return ""


def _in_a_terminal(advice: str, setting: str) -> str:
    """Replace the chat's commands in ``text`` by those of the command line."""
    if "`/models`" in advice:
        advice = f"{advice} `jupyter ai-personas models` lists them in a terminal."
    if "`/model @" in advice and setting not in advice:
        advice = f"{advice} `/model` is typed in a chat; in the configuration, set `{setting}`."
    return advice
