"""The chat document: the only package that imports pycrdt.

Other packages use the :class:`Chat` protocol, frozen :class:`Message` values and frozen events.
"""

from jupyter_ai_personas.chat.growing_reply import GrowingReply
from jupyter_ai_personas.chat.in_memory import MemoryChat
from jupyter_ai_personas.chat.messages import (
    METADATA_KEY,
    PERSONA_PREFIX,
    RECENT,
    SYSTEM_ID,
    Attachment,
    Message,
    OpenTurn,
    ReplyState,
    Selection,
    User,
    decode_message,
    encode_message,
)
from jupyter_ai_personas.chat.pacing import Pacer
from jupyter_ai_personas.chat.protocol import (
    Append,
    Chat,
    ChatEvent,
    Insert,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Restore,
    Update,
)
from jupyter_ai_personas.chat.watching import WatchedChat
from jupyter_ai_personas.chat.writer import ReplyWriter

__all__ = [
    "METADATA_KEY",
    "PERSONA_PREFIX",
    "RECENT",
    "SYSTEM_ID",
    "Append",
    "Attachment",
    "Chat",
    "ChatEvent",
    "GrowingReply",
    "Insert",
    "MemoryChat",
    "Message",
    "MessageDeleted",
    "MessageEdited",
    "MessagePosted",
    "OpenTurn",
    "Pacer",
    "ReplyState",
    "ReplyWriter",
    "Restore",
    "Selection",
    "Update",
    "User",
    "WatchedChat",
    "decode_message",
    "encode_message",
]
