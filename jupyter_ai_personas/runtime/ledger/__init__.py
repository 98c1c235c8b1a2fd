"""The durable record of accepted, unfinished turns.

A chat document is not saved while anything streams, and a crash can lose even the asking message.
So an accepted turn is recorded first, with the whole message. Its replies are checkpointed while
they grow. The row is deleted once the final reply is in the saved document. A small tombstone
remains, so that a rolled-back or copied document is not answered twice.

:class:`Ledger` is an SQLite file; :class:`MemoryLedger` is its twin for tests and one-shots.

One thread owns the connection, takes all queued steps and writes them in one transaction. With
``sqlite-anyio``, each statement would be a trip to a worker thread, a cancellation could leave a
transaction open, and turns could not share a commit.

With WAL and ``synchronous=NORMAL``, accepted turns survive the end of the process at any moment
(``kill -9``), and the file is always consistent. A power cut may lose the last moments.
"""

from jupyter_ai_personas.runtime.ledger.base import TurnLedger
from jupyter_ai_personas.runtime.ledger.in_memory import MemoryLedger
from jupyter_ai_personas.runtime.ledger.records import (
    FinalState,
    RecordState,
    ReplySnapshot,
    TurnRecord,
    TurnStep,
)
from jupyter_ai_personas.runtime.ledger.sqlite import Ledger

__all__ = [
    "FinalState",
    "Ledger",
    "MemoryLedger",
    "RecordState",
    "ReplySnapshot",
    "TurnLedger",
    "TurnRecord",
    "TurnStep",
]
