"""Operators' settings for turns; times in seconds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_ai_personas.hosts.places import EVERYBODY, THREADS, Places
from jupyter_ai_personas.settings import (
    Flag,
    Names,
    OneOf,
    Parameters,
    Seconds,
    Table,
    Text,
    Whole,
    setting,
)

__all__ = ["RuntimeSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSettings:
    """The defaults suit a server with a few dozen people."""

    default_persona: str | None = setting(
        "Guide",
        Text("Guide", optional=True),
        "The persona that answers messages without mentions, in a chat with a single person. "
        "Empty: none.",
    )
    models: Mapping[str, str] = setting(
        {},
        Table("Guide", Text("openai:gpt-4o")),
        "Models of single personas: persona name or id → `provider_id:model_id`, or the id of one "
        "of the persona's own models. It overrides what the persona's author chose.",
    )
    persona_config: Mapping[str, Mapping[str, Any]] = setting(
        {},
        Table("Guide", Parameters({"language": "en"})),
        "`self.config` of single personas: persona name or id → a dictionary.",
        secret=True,
    )
    max_concurrent_turns: int = setting(
        4, Whole(4, minimum=1), "Turns of different people that one persona runs at once in a chat."
    )
    max_queued_turns: int = setting(
        5,
        Whole(5),
        "Messages of one person that wait for one persona in a chat; further ones are rejected "
        "with a reason.",
    )
    max_hops: int = setting(
        4, Whole(4), "How often personas may pass a message on to each other, in a row."
    )
    max_turns_per_message: int = setting(
        12, Whole(12, minimum=1), "Turns that one message of a person may cause in all."
    )
    max_reply_chars: int = setting(
        500_000, Whole(500_000, minimum=1), "Characters that one turn may write."
    )
    feedback: bool = setting(
        True,
        Flag(),
        "Whether people may vote on replies. The votes are kept in the chat, with the names of "
        "who voted.",
    )
    history_messages: int = setting(
        40,
        Whole(40),
        "How many messages of the chat a model is shown, unless the persona's author asks for "
        "others.",
    )
    history_tokens: int = setting(
        16_000,
        Whole(16_000),
        "How many tokens of the chat a model is shown, the message to answer aside. They are "
        "counted approximately.",
    )
    history_chars: int = setting(
        200_000,
        Whole(200_000),
        "Maximum number of characters of the chat that a persona can read.",
    )
    context_chars: int = setting(
        80_000,
        Whole(80_000, minimum=1_000),
        "How many characters a model is given of what is attached to a message, and of the "
        "notebook beside the chat.",
    )
    notebook_beside_chat: bool = setting(
        True,
        Flag(),
        "Whether a message that speaks of a notebook, a cell or an error gets the notebook that "
        "its author has open beside the chat.",
    )
    turn_timeout: float = setting(900.0, Seconds(900), "Seconds that a persona may take to answer.")
    max_messages_per_minute: int = setting(
        60,
        Whole(60),
        "Messages of one person in one chat that may address personas, in any minute.",
    )
    quarantine_failures: int = setting(
        5,
        Whole(5, minimum=1),
        "How often a persona's code may fail within `quarantine_window` before it is paused.",
    )
    quarantine_window: float = setting(
        120.0, Seconds(120), "Seconds within which failures of a persona's code are counted."
    )
    quarantine_pause: float = setting(
        300.0,
        Seconds(300),
        "Seconds for which a persona is paused whose code fails again and again; `/retry` ends "
        "the pause.",
    )
    actor_idle: float = setting(
        300.0,
        Seconds(300),
        "Seconds after which an unused persona leaves a chat's memory.",
    )
    block_warning: float = setting(
        2.0,
        Seconds(2),
        "Seconds after which a persona that blocks its own event loop is named in the log.",
    )
    block_timeout: float = setting(
        120.0,
        Seconds(120),
        "Seconds after which a persona that blocks its own event loop is given up and restarted.",
    )
    stop_grace: float = setting(
        5.0,
        Seconds(5),
        "Seconds after which a persona is restarted that blocks its event loop although all turns "
        "that it ran were stopped.",
    )
    recover_within: float = setting(
        900.0,
        Seconds(900),
        "Seconds: how old an unanswered message may be to be answered after a restart.",
    )
    resume_interrupted: bool = setting(
        False, Flag(), "Whether replies that a crash cut off are written anew without being asked."
    )
    approvers: Collection[str] = setting(
        ["anyone"],
        Names(["asker", "ada"]),
        "The people who decide about calls of tools: `anyone`, `asker` (the person who asked the "
        "persona) or usernames.",
        limit=True,
    )
    approval_timeout: float = setting(
        3600.0,
        Seconds(3600),
        "Seconds that people have to decide about a call of a tool; then it is denied.",
    )
    local_personas: str = setting(
        "text",
        OneOf(("off", "text", "tools")),
        "Whether Markdown files in `.jupyter/personas` define personas for the chats of their "
        "folder: `off`; `text` with tools that only read; `tools` with all tools and MCP servers "
        "that they name. Everyone who can write such a file decides what its persona says.",
        limit=True,
    )
    hosts: Mapping[str, str] = setting(
        {EVERYBODY: THREADS},
        Places(),
        'Where personas run: `"threads"` of the server, `"processes"` beside it, or the workers of '
        'a Dask cluster, `"dask://scheduler:8786"` or `"dask+tls://scheduler:8786"`. Or persona '
        "name → one of these; `*` stands for all others.",
        limit=True,
    )
    host_processes: int = setting(
        0,
        Whole(2),
        'How many worker processes `hosts = "processes"` has. 0: one for each processor.',
    )
    host_variables: Collection[str] = setting(
        [],
        Names(["ACME_API_TOKEN"]),
        "Environment variables that worker processes get although their names are those of "
        "secrets. Variables that model providers need are always passed.",
    )
    root_dir: str | None = None
    """The server's root directory, if it is one."""

    base_url: str = ""
    """The path of the server's URL, which begins and ends with a slash; empty without a server."""

    has_files: bool = True
    """Whether attachments are files; a contents manager may store them elsewhere."""
