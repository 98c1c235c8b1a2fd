"""``list`` and ``models``: personas and models as a table or as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from jupyter_ai_personas.cli.installation import LogKeeper, load_runtime, read_extension
from jupyter_ai_personas.errors import ModelError
from jupyter_ai_personas.personas import ChatPersonas
from jupyter_ai_personas.personas.local import SOURCE

__all__ = ["list_models", "list_personas"]

_SEE_DOCTOR = "`jupyter ai-personas doctor` says how to mend it."


def list_personas(*, as_json: bool) -> int:
    """Print the personas and return the exit code.

    Raises:
        ConfigurationError: a setting cannot work.
    """
    runtime = load_runtime(read_extension(LogKeeper()))
    rows: list[dict[str, Any]] = []
    here = ChatPersonas(runtime.personas, runtime.local, str)
    here.look_now()
    for persona in here.values():
        model, problem = runtime.model_of(persona)
        rows.append(
            {
                "id": persona.id,
                "name": persona.name,
                "mention_name": persona.mention_name,
                "description": persona.description,
                "model": model,
                "problem": problem or None,
                "source": persona.source,
            }
        )
    broken = [dataclasses.asdict(entry) for entry in here.broken]
    broken += [
        {
            "name": one.name or one.stem,
            "distribution": SOURCE,
            "value": one.file,
            "stage": "file",
            "error": one.reason,
            "fix": "Correct the file",
        }
        for one in here.problems
    ]
    if as_json:
        _print_json({"personas": rows, "broken": broken})
        return 0
    head = ("mention", "model", "from", "what for")
    table = [
        (f"@{row['mention_name']}", row["model"] or "none", row["source"], row["description"])
        for row in rows
    ]
    _print_table(head, table)
    _print_broken(broken)
    return 0


def list_models(*, as_json: bool) -> int:
    """Print the providers with their models and return the exit code.

    Raises:
        ConfigurationError: a setting cannot work.
    """
    models = load_runtime(read_extension(LogKeeper())).models
    infos = models.infos()
    broken = [dataclasses.asdict(entry) for entry in models.broken]
    try:
        reference, why = models.default(chat=True)
        default, problem = str(reference), None
    except ModelError as error:
        default, why, problem = None, "", str(error)
    if as_json:
        _print_json(
            {
                "model_providers": [dataclasses.asdict(info) for info in infos],
                "broken": broken,
                "default_model": {"reference": default, "why": why or None, "problem": problem},
            }
        )
        return 0
    table = []
    for info in sorted(infos, key=lambda info: (not info.available, info.id)):
        names = [name for name in info.models if name != "*"]
        more = ["any other"] if info.registry and names else ["any"] if info.registry else []
        table.append((info.id, info.problem or "ready", ", ".join([*names, *more])))
    _print_table(("provider", "state", "models"), table)
    print(f"\nThe default is {default} ({why})." if default else f"\n{problem}")
    _print_broken(broken)
    return 0


def _print_broken(broken: Sequence[dict[str, Any]]) -> None:
    if broken:
        names = ", ".join(str(entry["name"]) for entry in broken)
        print(f"\nBroken: {names}. {_SEE_DOCTOR}")


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [head, *rows]
    # The last column may be long; do not pad it.
    widths = [max(len(line[column]) for line in lines) for column in range(len(head) - 1)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        print("  ".join([*cells, line[-1]]).rstrip())
