"""Prompts of MCP servers, which people type as commands: ``/<server>.<prompt> arguments``. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from jupyter_ai_personas.errors import RequestRefusedError

__all__ = ["Prompt", "PromptArgument", "command_parts", "prompt_arguments"]


@dataclass(frozen=True, slots=True)
class PromptArgument:
    """An argument of a prompt; its value is text."""

    name: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt of the MCP server ``server``; ``description`` is the server's, of one line."""

    server: str
    name: str
    description: str = ""
    arguments: tuple[PromptArgument, ...] = ()

    @property
    def command(self) -> str:
        """The command, as people type it."""
        return f"/{self.server}.{self.name}"

    @property
    def tool(self) -> str:
        """The name that the operator's patterns match."""
        return f"mcp:{self.server}.{self.name}"

    @property
    def usage(self) -> str:
        """The text after the command; what may be left out stands in brackets."""
        return " ".join(a.name if a.required else f"[{a.name}]" for a in self.arguments)


def command_parts(body: str) -> tuple[str, str, str] | None:
    """Return server, prompt and the rest of a message that may ask for a prompt, else ``None``."""
    word, _, rest = body.strip().partition(" ")
    server, dot, name = word.partition("\n")[0].removeprefix("/").partition(".")
    if not (word.startswith("/") and server and dot and name) or "\n" in word:
        return None
    return server, name, rest.strip()


def prompt_arguments(prompt: Prompt, rest: str, *, mentions: Iterable[str] = ()) -> dict[str, str]:
    """Return the arguments in what was typed: ``name=value``, and others in the prompt's order.

    The last takes all words that are left; ``mentions`` are no words. Quotes keep words together.

    Raises:
        RequestRefusedError: one is missing, or there are more than the prompt takes.
    """
    try:
        words = shlex.split(rest)
    except ValueError:  # an apostrophe, say
        words = rest.split()
    ignored = {mention.casefold() for mention in mentions}
    words = [word for word in words if word.casefold() not in ignored]
    names = [argument.name for argument in prompt.arguments]
    found: dict[str, str] = {}
    free = []
    for word in words:
        name, sign, value = word.partition("=")
        if sign and name in names and name not in found:
            found[name] = value
        else:
            free.append(word)
    left = [name for name in names if name not in found]
    if free and not left:
        raise RequestRefusedError(f"`{prompt.command}` takes less. {_how(prompt)}")
    for name in left[: len(free)]:
        is_last = name == left[-1]
        found[name] = " ".join(free) if is_last else free.pop(0)
    missing = [a.name for a in prompt.arguments if a.required and not found.get(a.name)]
    if missing:
        wanted = ", ".join(f"`{name}`" for name in missing)
        raise RequestRefusedError(f"`{prompt.command}` needs {wanted}. {_how(prompt)}")
    return found


def _how(prompt: Prompt) -> str:
    return f"Write `{' '.join(filter(None, [prompt.command, prompt.usage]))}`."
