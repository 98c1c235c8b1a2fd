"""Classifies a question by its wording; pure and total."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_ai_personas.context.words import STOP_WORDS, identifier_parts

__all__ = ["Question", "content_words", "read_question"]

_MENTION = re.compile(r"(?<![\w.])[@＠][\w.+-]*\w")
_SMALL_TALK = re.compile(
    r"(?:help|hi|hello|hey|good (?:morning|evening|day)|thanks?|thank you|thx|ok(?:ay)?|test|ping"
    r"|(?:so,?\s*)?what (?:can|do|could) (?:you|i) (?:do|ask|know)\b.*|who (?:are|is) (?:you|guide)"
    r"|(?:how|what) (?:do|can) i (?:use|ask) (?:you|guide)\b.*)?[\s!.?]*",
    re.IGNORECASE,
)
_PRODUCT = re.compile(
    r"\bpersonas?\b|\bapi[ _-]?keys?\b|\b[A-Z]+_API_KEY\b|%%?ai\b|\bjupyter[ _-]?ai\b"
    r"|(?:^|\b(?:do|does|is|can|how|make|let)\s+)guide\b"
    r"|(?<!\S)/(?:help|personas|models?|stop|retry|status|tools|approve|deny|undo|context|refresh"
    r"|export)\b|\bslash commands?\b|\bAGENTS\.md\b"
    r"|\b(?:set(?:ting)? ?up|choose|change|switch|select|configure|add|get|give|use|need|connect)\b"
    r"[^.?!]{0,30}?\b(?:an?|another|different|language|other|real)\s+(?:language\s+|ai\s+)?"
    r"(?:models?|llms?|providers?|keys?)\b"
    r"|\b(?:openai|anthropic|ollama|gemini|claude|bedrock|mistral|groq|chatgpt)\b"
    r"|\b(?:export|save|share) (?:the|this|a) (?:chat|conversation)\b"
    r"|\bstop (?:an?|the|your|this) (?:reply|replies|answer)"
    r"|\btoolsets?\b|\bmodel providers?\b|\bmcp servers?\b|\brecorded chats?\b"
    r"|\battach (?:an?|the|my|this) (?:files?|notebooks?|cells?)\b"
    r"|\btool calls?\b|\bapprov\w+ (?:of )?(?:an? |the )?(?:tools?|calls?)\b"
    r"|\b(?:extension|plug-?in)s? (?:of|for) the front[ -]?end\b",
    re.IGNORECASE,
)
_FOLDER = re.compile(
    r"\b(?:folder|directory|workspace|project|repo(?:sitory)?)\b.*\b(?:about|contains?|holds?|has|for)\b"
    r"|\b(?:what|which|list|show|tell|describe|explain|summari[sz]e|explore|tour)\b.*"
    r"\b(?:folder|directory|workspace|project|repo(?:sitory)?)\b"
    r"|\b(?:what|which)\s+(?:files|notebooks|documents|data(?:\s?sets?)?|chats)\s+(?:are|is|do|can|have)\b"
    r"|\b(?:list|show)\s+(?:me\s+)?(?:all\s+)?(?:the\s+|my\s+|our\s+)?(?:files|notebooks|documents)\b"
    r"|^what(?:'s|’s|\s+is|\s+do\s+we\s+have|\s+can\s+i\s+find)\s+(?:in\s+)?here\b"
    r"|\b(?:what|which|list|show|describe|summari[sz]e)\b.*(?<!\S)`?(?:[\w.-]+/)+`?[?!.,;:]*(?!\S)"
    r"|^(?:ls|dir)\b",
    re.IGNORECASE,
)
_THIS = re.compile(r"\b(?:folder|directory|workspace|project|repo(?:sitory)?)\b", re.IGNORECASE)
_LOCATION = re.compile(
    r"`([^`]+)`|\"([^\"]+)\"|(?<!\S)((?:[\w.-]+/)+[\w.-]*)"
    r"|\b(?:folder|directory)\s+(?!about|has|have|is|are|for|contain|and|or\b)([\w./-]+)"
    r"|\b(?!(?:this|the|my|our|your|that|current|same|whole|a|which|what|project)\b)"
    r"([\w.-]+)\s+(?:folder|directory)\b",
    re.IGNORECASE,
)
_DONE = (
    "defined|declared|implemented|assigned|coded|written|used|called|imported|referenced|invoked"
    "|needed"
)
_DO = "(?:use|call|define|import|invoke|declare|implement|assign|reference)s?"
_ABOUT_NAME = re.compile(
    rf"\bwhere\b.*\b(?:{_DONE}|{_DO}|comes?\s+from)\b"
    rf"|\b(?:who|what|which\s+\w+)\s+{_DO}\b"
    r"|\b(?:definitions?|usages?|uses|references|callers)\s+(?:of|to)\b",
    re.IGNORECASE,
)
_TICKED = re.compile(r"`([^`\s]+?)(?:\(\))?`")
_IDENTIFIER = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?=\(\))?")
_BEFORE = re.compile(
    rf"([^\W\d][\w.]*)(?:\(\))?\s+(?:is\s+|are\s+|get\s+|gets\s+|being\s+)?(?:{_DONE}|comes?)\b",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"\b(?:of|to|{_DO}|{_DONE})\s+"
    r"(?:the\s+)?(?:(?:function|class|method|variable|name|module|constant)\s+)?([^\W\d][\w.]*)",
    re.IGNORECASE,
)
_OF_QUESTIONS = """
define defined use used call called function class method variable name module constant definition
definitions usage usages uses references notebook file cell import imported
"""
_NO_NAMES = STOP_WORDS | set(_OF_QUESTIONS.split())
_WANTS = {
    "errors": re.compile(
        r"\b(?:errors?|exceptions?|tracebacks?|fail(?:s|ed|ing|ures?)?|crash(?:es|ed)?|wrong"
        r"|broken?|raise[sd]?|bugs?)\b|\bfehler\b|\berreurs?\b",
        re.IGNORECASE,
    ),
    "imports": re.compile(
        r"\bimport(?:s|ed|ing)?\b|\b(?:packages?|librar(?:y|ies)|dependenc(?:y|ies))\b",
        re.IGNORECASE,
    ),
    "outline": re.compile(
        r"\b(?:outlines?|summar\w+|overview|sections?|contents?|structure|headings?)\b",
        re.IGNORECASE,
    ),
}
_ABOUT = re.compile(
    r"\b(?:about|explains?|describe|steps?|show|open|tell|do(?:es)?)\b"
    r"|\bwhat(?:'s|’s|\s+is|\s+are)\b|\bwalk\b.*\bthrough\b",
    re.IGNORECASE,
)
"""Words that ask for an outline, unless the question asks for something else."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what it asks for.

    ``text`` is without mentions, on one line. ``about_product``: it may be about this software.
    ``folder`` is a folder that it asks for the content of, ``.`` for the one at hand, else empty.
    ``name`` is what it asks for the definition and the uses of. ``wants`` are what it asks of a
    notebook: ``errors``, ``imports``, ``outline``.
    """

    text: str
    is_small_talk: bool = False
    about_product: bool = False
    folder: str = ""
    name: str = ""
    wants: tuple[str, ...] = ()


def read_question(body: str) -> Question:
    """Return what a message asks for."""
    text = " ".join(_MENTION.sub(" ", body).split())[:2_000]
    return Question(
        text,
        is_small_talk=_SMALL_TALK.fullmatch(text) is not None,
        about_product=_PRODUCT.search(text) is not None,
        folder=_folder(text),
        name=_name(text),
        wants=_wants(text),
    )


def _wants(text: str) -> tuple[str, ...]:
    wants = tuple(want for want, pattern in _WANTS.items() if pattern.search(text))
    return wants or (("outline",) if _ABOUT.search(text) else ())


def content_words(text: str) -> list[str]:
    """Return the words that say what a text is about, in lower case, each once."""
    words = (part for word in re.findall(r"\w+", text) for part in identifier_parts(word))
    return [word for word in dict.fromkeys(words) if word not in STOP_WORDS]


def _folder(text: str) -> str:
    if _FOLDER.search(text) is None:
        return ""
    location = _LOCATION.search(text)
    named = next((group for group in location.groups() if group), "") if location else ""
    return named.strip("/") or "."


def _name(text: str) -> str:
    if _ABOUT_NAME.search(text) is None:
        return ""
    if ticked := _TICKED.search(text):
        return ticked[1]
    names = _IDENTIFIER.findall(text)
    # Identifiers, not words: `read_csv`, `readCSV`, `pd.read_csv`, `main()`.
    looking = [n for n in names if re.search(r"\w[_.]\w|[a-z][A-Z]", n) or f"{n}()" in text]
    near = [*_BEFORE.findall(text), *_AFTER.findall(text)]
    return next((n for n in [*looking, *near] if n.lower() not in _NO_NAMES), "").rstrip(".")
