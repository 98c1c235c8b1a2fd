"""A `claude` command that answers what it is sent, in the protocol of `claude-code-sdk`."""

from __future__ import annotations

import json
import sys
from typing import Any


def write(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def serve() -> None:
    for line in sys.stdin:
        received = json.loads(line)
        if received["type"] == "control_request":
            response = {"subtype": "success", "request_id": received["request_id"], "response": {}}
            write({"type": "control_response", "response": response})
        elif received["type"] == "user":
            text = f"You said: {received['message']['content']}"
            content = [{"type": "text", "text": text}]
            write({"type": "assistant", "message": {"model": "none", "content": content}})
            write(
                {
                    "type": "result",
                    "subtype": "success",
                    "duration_ms": 1,
                    "duration_api_ms": 1,
                    "is_error": False,
                    "num_turns": 1,
                    "session_id": "one",
                }
            )


if __name__ == "__main__":
    serve()
