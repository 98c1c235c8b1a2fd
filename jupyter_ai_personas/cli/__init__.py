"""``jupyter ai-personas``: lists and checks installed plug-ins.

Each command imports heavy packages itself, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from jupyter_ai_personas.version import __version__

__all__ = ["main"]

_BROKEN_PIPE = 128 + 13  # SIGPIPE, which Windows does not have


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; ``arguments`` default to ``sys.argv``."""
    options = _parser().parse_args(arguments)
    try:
        code = _run(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has ended. The interpreter flushes it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE


def _run(options: argparse.Namespace) -> int:
    if options.command == "ask":
        from jupyter_ai_personas.cli.ask import ask

        return ask(options.text, as_json=options.json, user=options.user, root=options.root)
    if options.command == "doctor":
        from jupyter_ai_personas.cli.doctor import doctor

        return doctor(as_json=options.json, root=options.root)
    from jupyter_ai_personas.errors import PersonasError

    try:
        if options.command == "record":
            from jupyter_ai_personas.cli.record import record_chat

            return record_chat(options.chat, options.output)
        if options.command == "search":
            from jupyter_ai_personas.cli.search import search

            return search(
                options.query, root=options.root, limit=options.limit, as_json=options.json
            )
        if options.command == "chat":
            from jupyter_ai_personas.cli.chat import chat

            return chat(
                persona=options.persona,
                model=options.model,
                users=options.users,
                file=options.file,
                root=options.root,
            )
        if options.command == "new":
            from jupyter_ai_personas.cli.scaffold import new

            return new(options.kind, options.name, options.folder, dry_run=options.dry_run)
        from jupyter_ai_personas.cli.listing import list_models, list_personas

        show = list_personas if options.command == "list" else list_models
        return show(as_json=options.json)
    except PersonasError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jupyter ai-personas",
        description="AI personas in Jupyter's collaborative chat: what is installed here, with "
        "the configuration that a server of yours would read.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in (
        ("list", "the personas, with the model that each uses"),
        ("models", "the model providers, their models, and what some lack"),
        ("doctor", "check everything; say how to mend what is broken (exit code 1)"),
        ("search", "the passages in this folder's files that answer a question best"),
    ):
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument("--json", action="store_true", help="print JSON, for scripts")
        if name in ("doctor", "search"):
            command.add_argument(
                "--root",
                type=Path,
                default=None if name == "doctor" else Path(),
                metavar="DIR",
                help="the folder that the server serves; this one if none is given",
            )
        if name == "search":
            command.add_argument("query", metavar="QUERY", help="a question, words or a name")
            command.add_argument(
                "--limit", type=_limit, default=10, metavar="N", help="how many passages; 10"
            )
    _add_ask(commands)
    _add_chat(commands)
    _add_new(commands)
    _add_record(commands)
    return parser


def _add_ask(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "ask a persona one question and print its answer"
    command = commands.add_parser(
        "ask",
        help=text,
        description=f"{text[0].upper()}{text[1:]}. The exit code is 0 if it answered, 1 if it did "
        "not, 2 if this was used wrongly.",
    )
    command.add_argument(
        "text", metavar="TEXT", help="such as `@Guide what is here?`; `-` reads standard input"
    )
    command.add_argument("--json", action="store_true", help="print JSON, for scripts")
    command.add_argument("--as", dest="user", metavar="NAME", help="who asks; you by default")
    _add_root(command)


def _add_chat(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "chat with personas in the terminal"
    command = commands.add_parser("chat", help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.add_argument(
        "--persona", metavar="NAME", help="who answers a message that mentions nobody"
    )
    command.add_argument("--model", metavar="REF", help="the model in this chat: `provider:model`")
    command.add_argument(
        "--as",
        dest="users",
        metavar="NAME",
        action="append",
        default=[],
        help="who you are; several times for several people, who speak by `Name: …`",
    )
    command.add_argument(
        "--file", type=Path, metavar="CHAT", help="a `.chat` file to go on with, or to begin"
    )
    _add_root(command, "this one, or that of CHAT, if none is given")


def _add_root(command: argparse.ArgumentParser, default: str = "this one if none is given") -> None:
    text = f"the folder that personas and their tools work in; {default}"
    command.add_argument("--root", type=Path, metavar="DIR", help=text)


def _add_new(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "write a package, or a Markdown persona, that works as it is"
    command = commands.add_parser("new", help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.add_argument("kind", choices=("persona", "provider", "toolset", "markdown"))
    command.add_argument("name", metavar="NAME", help="such as `my-reviewer`")
    command.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        type=Path,
        default=Path(),
        help="where to put it; this folder if none is given",
    )
    command.add_argument("--dry-run", action="store_true", help="print the files, write none")


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 50:
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 1 to 50")
    return int(text)


def _add_record(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "a recording of what personas answered in a chat, for a test that replays it"
    command = commands.add_parser("record", help=text, description=f"Write {text}.")
    command.add_argument("chat", metavar="CHAT", type=Path, help="a `.chat` file")
    command.add_argument(
        "--output",
        metavar="FILE",
        help="the file to write, or `-` to print it; `CHAT.recording.json` beside the chat",
    )
