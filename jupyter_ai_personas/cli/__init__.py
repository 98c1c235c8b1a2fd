"""``jupyter ai-personas``: lists and checks what is installed.

Each command imports heavy packages itself, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jupyter_ai_personas.version import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; ``arguments`` default to ``sys.argv``."""
    options = _parser().parse_args(arguments)
    if options.command == "doctor":
        from jupyter_ai_personas.cli.doctor import doctor

        return doctor(as_json=options.json)
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
        if name == "search":
            command.add_argument("query", metavar="QUERY", help="a question, words or a name")
            command.add_argument(
                "--root",
                type=Path,
                default=Path(),
                metavar="DIR",
                help="the folder that the server serves; this one if none is given",
            )
            command.add_argument(
                "--limit", type=_limit, default=10, metavar="N", help="how many passages; 10"
            )
    text = "a recording of what personas answered in a chat, for a test that replays it"
    command = commands.add_parser("record", help=text, description=f"Write {text}.")
    command.add_argument("chat", metavar="CHAT", type=Path, help="a `.chat` file")
    command.add_argument(
        "--output",
        metavar="FILE",
        help="the file to write, or `-` to print it; `CHAT.recording.json` beside the chat",
    )
    return parser


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 50:
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 1 to 50")
    return int(text)
