from .growing_reply import GrowingReply
from .in_memory import MemoryChat
from .messages import (
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
from .pacing import Pacer
from .protocol import (
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
from .watching import WatchedChat
from .writer import ReplyWriter

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
