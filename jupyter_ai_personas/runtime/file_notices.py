"""Notices about faulty files of local personas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.hosts import in_words
from jupyter_ai_personas.personas import LocalProblem, Personas
from jupyter_ai_personas.routing import NameIndex, find_mentions, may_mention, mention_name

__all__ = ["FileNotices", "describe"]


class FileNotices:
    """Decides which messages of a chat concern a faulty file."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def about(
        self,
        message: Message,
        personas: Personas,
        addressed: Sequence[str],
        people: Callable[[], Iterable[str]],
    ) -> str:
        """Return the notice about faulty files for the author of ``message``, in Markdown.

        A file concerns messages that mention its name. A file whose earlier version is in use, or
        whose name cannot be read, is reported once per version. ``people`` returns the names
        of people in the chat.
        """
        problems = personas.problems
        if not problems or not (addressed or may_mention(message.body)):
            return ""
        # The name of a working persona means that persona, and not the faulty file.
        names = [(one.file, name) for one in problems for name in (one.name, one.stem)]
        named = {
            file
            for file, name in names
            if name
            and personas.names.id_of(mention_name(name)) is None
            and find_mentions(message.body, NameIndex([(file, mention_name(name))]))
        }
        others = NameIndex([(name, name) for name in people()])
        is_unknown = not addressed and not find_mentions(message.body, others)
        told = []
        for one in problems:
            key = one.file, one.reason
            if one.persona_id is not None:
                concerns = one.persona_id in addressed and key not in self._told
            elif one.file in named:
                concerns = True
            else:
                concerns = is_unknown and not one.name and key not in self._told
            if concerns:
                self._told.add(key)
                told.append(describe(one))
        return "\n\n".join(told)


def describe(problem: LocalProblem) -> str:
    """Return the notice about a faulty file, in Markdown."""
    what = "cannot be used" if problem.persona_id is None else "has a mistake"
    return f"The persona file {code(problem.file)} {what}: {in_words(problem.reason)}"
