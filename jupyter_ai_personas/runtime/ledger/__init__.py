"""The durable record of turns accepted and not yet finished.

A chat document is not saved while anything streams, and a crash can lose even the message that
asked. So an accepted turn is written here first, with that message whole; its replies are
checkpointed while they grow; and the row goes when the document holds the final reply and has been
saved. What stays then is a small tombstone, so that a document that was rolled back or copied is
not answered twice.

:class:`Ledger` is an SQLite file; :class:`MemoryLedger` is its twin for tests and one-shot chats.

Why the standard library's ``sqlite3`` in one thread, and not ``sqlite-anyio``: that library takes
one trip to a worker thread for each statement, so a transaction of five statements is five trips, a
cancellation between two of them leaves it open, and several turns cannot share one commit. One
thread that owns the connection takes whatever is queued, writes it in one transaction, and
answers: the same few statements, whole transactions only, and no lock of our own.

What is promised: with WAL and ``synchronous=NORMAL``, what was accepted survives the end of the
process at any instant (``kill -9``) and the file is consistent always; a power cut may cost the
last moments before it.
"""

from jupyter_ai_personas.runtime.ledger.base import TurnLedger as TurnLedger
from jupyter_ai_personas.runtime.ledger.in_memory import MemoryLedger as MemoryLedger
from jupyter_ai_personas.runtime.ledger.records import FinalState as FinalState
from jupyter_ai_personas.runtime.ledger.records import RecordState as RecordState
from jupyter_ai_personas.runtime.ledger.records import ReplySnapshot as ReplySnapshot
from jupyter_ai_personas.runtime.ledger.records import TurnRecord as TurnRecord
from jupyter_ai_personas.runtime.ledger.records import TurnStep as TurnStep
from jupyter_ai_personas.runtime.ledger.sqlite import Ledger as Ledger

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
