"""How a chat tells those who watch it how a reply grows."""

from __future__ import annotations

from jupyter_ai_personas.chat import PERSONA_PREFIX, Insert, Update, WatchedChat
from jupyter_ai_personas.text import Anew, extended

ECHO = PERSONA_PREFIX + "acme::Echo"


def test_what_replaces_the_text_so_far_is_told_as_that() -> None:
    pieces: list[str] = []
    chat = WatchedChat(pieces.append)
    chat.apply([Insert("1", ECHO, "let me see", {"state": "streaming"})])
    chat.apply([Update("1", "")])
    chat.apply([Update("1", "4")])
    chat.apply([Update("1", "42", {"state": "done"})])
    chat.apply([Insert("2", ECHO, "more", {"state": "done"})])
    assert pieces == ["let me see", "", "4", "2", "\n\nmore"]
    assert [isinstance(piece, Anew) for piece in pieces] == [False, True, False, False, False]
    text = ""
    for piece in pieces:
        text = extended(text, piece)
    assert text == "42\n\nmore"


def test_what_does_not_change_is_not_told() -> None:
    pieces: list[str] = []
    chat = WatchedChat(pieces.append)
    chat.apply([Insert("1", ECHO, "a", {"state": "streaming"})])
    chat.apply([Update("1", "a", {"state": "done"})])
    assert pieces == ["a"]
