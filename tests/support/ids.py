"""Names of parameters."""

from __future__ import annotations

import re


def shown(value: object) -> str:
    """As `repr`, without addresses: all workers of a run must collect the same names."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
