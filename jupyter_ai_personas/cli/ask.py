"""``ask``: one question to one persona, for scripts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from jupyter_ai_personas.chat.markdown import without_calls
from jupyter_ai_personas.cli.terminal import person, run_here
from jupyter_ai_personas.errors import PersonasError, UnknownPersonaError
from jupyter_ai_personas.redaction import for_people

if TYPE_CHECKING:
    from jupyter_ai_personas.personas import Persona
    from jupyter_ai_personas.runtime import Runtime

__all__ = ["ask"]

ANSWERED, NOT_ANSWERED, WRONG_USAGE = 0, 1, 2

MAX_TEXT = 200_000


class _UsageError(PersonasError):
    """The command was used wrongly; the message says how it is used."""


def ask(text: str, *, as_json: bool, user: str | None = None, root: Path | None = None) -> int:
    """Print the answer to ``text``; ``-`` reads it from standard input. Return the exit code."""
    try:
        answer = anyio.run(_ask, _read(text), user, root)
        if isinstance(answer, PersonasError):
            raise answer
    except (_UsageError, UnknownPersonaError) as error:
        print(for_people(str(error)), file=sys.stderr)
        return WRONG_USAGE
    except PersonasError as error:
        text = for_people(str(error))
        answer = {"persona": None, "state": "failed", "text": text, "usage": {}}
    failed = answer["state"] != "done"
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    elif answer["text"]:
        print(answer["text"], file=sys.stderr if failed else sys.stdout)
    return NOT_ANSWERED if failed else ANSWERED


def _read(text: str) -> str:
    if text == "-":
        text = sys.stdin.buffer.read(4 * MAX_TEXT + 1).decode("utf-8", "replace")
    if not text.strip():
        raise _UsageError("There is nothing to ask. Write `jupyter ai-personas ask '@Guide …'`.")
    if len(text) > MAX_TEXT:
        raise _UsageError(f"The text is longer than {MAX_TEXT:,} characters. Ask for less at once.")
    return text


async def _ask(text: str, user: str | None, root: Path | None) -> dict[str, Any] | PersonasError:
    async with run_here(root) as runtime:
        # Returned: what is raised here comes out of the runtime's task group as a group.
        try:
            return await _answer(runtime, text, user)
        except PersonasError as error:
            return error


async def _answer(runtime: Runtime, text: str, user: str | None) -> dict[str, Any]:
    persona = await _addressed(runtime, text)
    answer = await runtime.one_shot(persona.id, text, sender=person(user), path="")
    return {
        "persona": persona.name,
        "state": answer.state,
        "text": without_calls(answer.text).strip("\n"),
        "usage": dict(answer.usage),
    }


async def _addressed(runtime: Runtime, text: str) -> Persona:
    """Return the persona that a text addresses, by default the operator's choice."""
    from jupyter_ai_personas.routing import NameIndex, find_mentions, may_mention, meant_names

    personas = await runtime.personas_at("")
    found = find_mentions(text, personas.names)
    if len(found) > 1:
        names = " and ".join(f"`@{personas[id_].mention_name}`" for id_ in found)
        raise _UsageError(f"This asks {names}. Mention one; `chat` takes several.")
    if found:
        return personas[found[0]]
    if may_mention(text):
        for typed, near in meant_names(text, personas.names, ()).items():
            raise _UsageError(f"There is no persona `{typed}`. Did you mean `@{near[0]}`?")
        for problem in personas.problems:
            own = NameIndex([(problem.file, one) for one in (problem.name, problem.stem) if one])
            if problem.persona_id is None and find_mentions(text, own):
                raise _UsageError(str(problem))
    default = runtime.settings.default_persona
    if not default:
        raise _UsageError("Mention a persona, such as `@Guide`; none answers by default here.")
    return personas.find(default)
