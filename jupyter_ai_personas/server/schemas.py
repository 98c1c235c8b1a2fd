"""The schemas of this package's Jupyter events, ``event_schemas/``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["register_schemas"]

_FOLDER = Path(__file__).parent / "event_schemas"


def register_schemas(event_logger: Any) -> None:
    """Make the schemas known to the server's event logger, so that others can listen."""
    for schema in sorted(_FOLDER.glob("*.yaml")):
        event_logger.register_event_schema(schema)
