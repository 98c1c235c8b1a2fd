"""The output of ``%ai list``, as Markdown for notebooks and as text for terminals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..redaction import redact

if TYPE_CHECKING:
    from ..providers import ProviderInfo

__all__ = ["Listing", "one_provider", "providers"]

_MOST_MODELS = 3


@dataclass(frozen=True, slots=True)
class Listing:
    """A table and lines below it, in Markdown; backticks are removed in text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return it as Markdown."""
        head = [list(self.columns), ["---"] * len(self.columns)] if self.rows else []
        table = [
            f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
            for row in [*head, *self.rows]
        ]
        return "\n".join([*table, *(f"\n{line}" for line in self.lines)])

    def text(self) -> str:
        """Return it as text, in columns."""
        rows = [list(self.columns), *self.rows] if self.rows else []
        widths = [max(len(_plain(row[i])) for row in rows) for i in range(len(self.columns))]
        table = [
            "  ".join(f"{_plain(cell):<{width}}" for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        return "\n".join([*(line.rstrip() for line in table), *map(_plain, self.lines)])


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")


def providers(
    infos: Sequence[ProviderInfo],
    *,
    aliases: Mapping[str, str],
    default: str,
    broken: Sequence[str],
) -> Listing:
    """Describe all providers, ready ones first.

    ``default`` describes the model for cells that name none.
    """
    ready_first = sorted(infos, key=lambda info: not info.available)
    rows = [[f"`{info.id}`", _state(info), _some(info.models)] for info in ready_first]
    lines = [f"A cell that names no model asks {default}."]
    lines += [
        f"`{redact(name)}` stands for `{redact(target)}`."
        for name, target in sorted(aliases.items())
    ]
    lines += [f"Not usable: {problem}" for problem in broken]
    return Listing(("Provider", "Ready", "Models"), rows, lines)


def one_provider(info: ProviderInfo, models: Sequence[str], help: str | None) -> Listing:
    """Describe one provider and all its models."""
    rows = [[f"`{info.id}:{model}`"] for model in models if model != "*"]
    lines = [f"{info.name}: {_state(info)}."]
    if info.registry:
        lines.append(f"Any other model of it can be named too: `{info.id}:…`.")
    if help:
        lines.append(help)
    return Listing(("Model",), rows, lines)


def _some(models: Sequence[str]) -> str:
    named = [model for model in models if model != "*"]
    shown = [f"`{model}`" for model in named[:_MOST_MODELS]]
    if len(named) > _MOST_MODELS:
        shown.append(f"and {len(named) - _MOST_MODELS} more")
    return ", ".join(shown) or "any"


def _state(info: ProviderInfo) -> str:
    if info.problem:
        return info.problem
    return "yes" if info.chat else "yes, for the magics only"
