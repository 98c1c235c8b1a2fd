"""``jupyter ai-personas record``: a chat as a recording that a test can replay."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from jupyter_ai_personas.chat.recording import record
from jupyter_ai_personas.errors import RecordingError

__all__ = ["record_chat"]


def record_chat(chat: Path, output: str | None) -> int:
    """Write the recording of ``chat`` and return the exit code.

    It goes to the file ``output``, to the standard output for ``-``, and by default beside the
    chat.

    Raises:
        RecordingError: the chat cannot be read or recorded, or the file exists already.
    """
    try:
        recording = record(chat.read_bytes())
    except OSError as error:
        raise RecordingError(f"`{chat}` cannot be read: {error.strerror}.") from None
    if output == "-":
        sys.stdout.write(recording.as_text())
        return 0
    target = Path(output) if output else chat.with_name(f"{chat.stem}.recording.json")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(recording.as_text())
    except FileExistsError:
        raise RecordingError(
            f"`{target}` exists already. Remove it, or name another file with `--output`."
        ) from None
    except OSError as error:
        raise RecordingError(f"`{target}` cannot be written: {error.strerror}.") from None
    counts = Counter(message.by for message in recording.messages if message.reply_to)
    said = ", ".join(f"{count} replies of {name}" for name, count in counts.items())
    print(f"Recorded {said} in {target}. Secrets that look like keys are taken out; look at the")
    print(
        "rest before you share it. Replay it in a test: see `jupyter_ai_personas.testing.replay`."
    )
    return 0
