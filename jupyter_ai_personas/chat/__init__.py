"""The chat document: the only room that knows how a chat is stored.

Everything outside sees the :class:`Chat` seam, frozen :class:`Message` values and frozen events.
"""

from jupyter_ai_personas.chat.memory import MemoryChat as MemoryChat
from jupyter_ai_personas.chat.messages import METADATA_KEY as METADATA_KEY
from jupyter_ai_personas.chat.messages import PERSONA_PREFIX as PERSONA_PREFIX
from jupyter_ai_personas.chat.messages import RECENT as RECENT
from jupyter_ai_personas.chat.messages import SYSTEM_ID as SYSTEM_ID
from jupyter_ai_personas.chat.messages import Attachment as Attachment
from jupyter_ai_personas.chat.messages import Message as Message
from jupyter_ai_personas.chat.messages import ReplyState as ReplyState
from jupyter_ai_personas.chat.messages import Selection as Selection
from jupyter_ai_personas.chat.messages import User as User
from jupyter_ai_personas.chat.messages import decode_message as decode_message
from jupyter_ai_personas.chat.messages import encode_message as encode_message
from jupyter_ai_personas.chat.room import Chat as Chat
from jupyter_ai_personas.chat.room import ChatEvent as ChatEvent
from jupyter_ai_personas.chat.room import Insert as Insert
from jupyter_ai_personas.chat.room import MessageDeleted as MessageDeleted
from jupyter_ai_personas.chat.room import MessageEdited as MessageEdited
from jupyter_ai_personas.chat.room import MessagePosted as MessagePosted
from jupyter_ai_personas.chat.room import Restore as Restore
from jupyter_ai_personas.chat.room import Update as Update
from jupyter_ai_personas.chat.watching import WatchedChat as WatchedChat
from jupyter_ai_personas.chat.writer import GrowingReply as GrowingReply
from jupyter_ai_personas.chat.writer import Pacer as Pacer
from jupyter_ai_personas.chat.writer import ReplyWriter as ReplyWriter

__all__ = [
    "METADATA_KEY",
    "PERSONA_PREFIX",
    "RECENT",
    "SYSTEM_ID",
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
