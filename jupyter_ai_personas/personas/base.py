"""The class that persona authors inherit."""

from __future__ import annotations

import inspect
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import anyio.to_thread

from jupyter_ai_personas.chat.messages import Attachment, Message
from jupyter_ai_personas.context.rendered import Rendered, message_content, problems_line
from jupyter_ai_personas.errors import (
    ModelError,
    NoModelError,
    NoTurnError,
    PersonaCodeError,
    RequestRefusedError,
)
from jupyter_ai_personas.personas.turn import SentId, Turn
from jupyter_ai_personas.routing import mention_name
from jupyter_ai_personas.tokens import BYTES_PER_TOKEN
from jupyter_ai_personas.tools.calling import Caller
from jupyter_ai_personas.tools.descriptions import ToolInfo
from jupyter_ai_personas.tools.langchain import UnusableToolError, named_tools
from jupyter_ai_personas.tools.loop import Answered, answer_with_tools
from jupyter_ai_personas.tools.packages import PackageToolsets

if TYPE_CHECKING:
    from jupyter_ai_personas.chat.history import BaseMessage
    from jupyter_ai_personas.providers import ModelCache, ModelChunk

__all__ = ["BasePersona", "PersonaContext", "PersonaDefaults", "current_turn"]

current_turn: ContextVar[Turn | None] = ContextVar("current_turn", default=None)

_READS = "read the chat with `self.history()`, and write with `self.send_message(...)`"
# Names of Jupyter AI that are missing here, with their replacements.
_ELSEWHERE = {
    "ychat": _READS,
    "chat": _READS,
    "parent": "a persona reaches the chat through its own methods, and no part of the server",
    "awareness": "show what the persona does with `self.set_status(...)`",
    "clear_status": "write `self.set_status(None)`",
    "system_prompt": "it is `self.defaults.system_prompt`, and comes first in `self.history()`",
    "process_attachments": "call `await self.prompt()`, or `self.attachments()`",
    "get_chat_dir": "it is the folder of `self.get_chat_path()` below `self.get_workspace_dir()`",
    "event_loop": "`process_message` runs on a loop of the persona's own: await in it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaDefaults:
    """Defaults of a persona, which the operator may override.

    ``name`` is what people mention (spaces become hyphens); ``description`` is one line for
    ``/personas``; ``avatar_path`` is an image file inside the persona's package, relative to the
    module or absolute; ``model`` is a reference ``provider_id:model_id``; ``tools`` are the
    toolsets and tools that it wants, such as ``("workspace", "notebook.read")``.
    """

    name: str
    description: str = ""
    avatar_path: str | None = None
    system_prompt: str = ""
    model: str | None = None
    tools: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PersonaContext:
    """Constructor arguments of a persona object; there is one object for each chat.

    ``name`` is what it is called here, where another persona may have its own name already.
    ``models`` are the models of the event loop that the persona runs on, ``packages`` the toolsets
    of the process. ``chat_id`` and ``base_url`` are those of :class:`TurnSpec`.
    """

    id: str
    log: logging.Logger
    models: ModelCache | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    chat_path: Callable[[], str] = lambda: ""
    workspace_dir: Path | None = None
    name: str = ""
    packages: PackageToolsets | None = None
    chat_id: str = ""
    base_url: str = ""


class BasePersona:
    """A named participant of a chat.

    Subclasses give :attr:`defaults`, as a class attribute or a property, and may override
    :meth:`process_message`; without it, the persona answers with its model, its system prompt and
    the chat's history. Its code runs on an event loop and in a thread of its own, never on the
    server's: it may block, and delays only itself.
    """

    defaults: PersonaDefaults | Any

    allows_concurrency: ClassVar[bool] = True
    """Whether turns of different people may run at the same time."""

    commands: ClassVar[Mapping[str, str]] = {}
    """Commands of its own, as ``{"/name": "one line for /help"}``; such a message addresses it."""

    searched_chars: ClassVar[int] = 0
    """How many characters that it searches the workspace for go with each message to its model, at
    most; ``/context`` shows it."""

    def __init__(self, context: PersonaContext) -> None:
        self.id = context.id
        self.log = context.log
        self.config = context.config
        self._context = context
        self._turns: set[Turn] = set()
        self._own_tools: Mapping[str, tuple[ToolInfo, Any]] | None = None

    @property
    def name(self) -> str:
        """The persona's name on this server."""
        return self._context.name or str(self.defaults.name)

    @property
    def turn(self) -> Turn:
        """The turn that is running here.

        Raises:
            NoTurnError: none is, or it cannot be told which: a thread started by hand must be
                given the turn.
        """
        turn = current_turn.get()
        if turn is not None:
            return turn
        if len(self._turns) == 1:
            return next(iter(self._turns))
        raise NoTurnError

    @property
    def model(self) -> Any:
        """The LangChain model of this turn. It is built when first asked for, and kept.

        Raises:
            ModelError: there is none, or it cannot be built; the message says why.
        """
        turn = self.turn
        return self._models.get(turn.model, turn.spec.model_parameters)

    @property
    def _models(self) -> ModelCache:
        if self._context.models is None:
            raise NoModelError(self.name)
        return self._context.models

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # A class that is inherited after this one may have its own.
            if (further := getattr(super(), "__getattr__", None)) is not None:
                return further(name)
            if name in _ELSEWHERE and not hasattr(type(self), name):
                text = f"`{type(self).__name__}` has no attribute `{name}`: {_ELSEWHERE[name]}"
                raise AttributeError(text, name=name, obj=self)
            # Errors of properties arrive here too; run the property again to raise the original.
            return super().__getattribute__(name)

    # -- what subclasses override -----------------------------------------------------------

    async def prepare(self) -> None:
        """Get ready, once, before the first turn in a chat."""

    async def process_message(self, message: Message) -> None:
        """Answer ``message``. By default: stream what the model says to :meth:`prompt`.

        The reply begins with the names of what the model was not given, such as unreadable
        attachments.
        """
        messages, unread = await self._prompt()
        await self.stream_message(_after(unread, self.ask_model(messages)))

    def tools(self) -> Sequence[Any]:
        """Return LangChain tools of the persona's own: a toolset under its mention name.

        It is asked once a chat, before the first answer, and always granted; what becomes of a call
        is the operator's business, as with any tool.
        """
        return ()

    async def shutdown(self) -> None:
        """Let go of everything: the persona has been idle, or the server stops."""

    # -- what they use ----------------------------------------------------------------------

    def send_message(self, body: str) -> SentId:
        """Post a complete message; see :meth:`Turn.send`. Its id may be awaited."""
        return self.turn.send(body)

    def stream_message(
        self, chunks: AsyncIterable[Any] | Iterable[Any]
    ) -> Coroutine[Any, Any, str | None]:
        """Post a message that grows with each chunk; to be awaited, see :meth:`Turn.stream`."""
        return self.turn.stream(chunks)

    def set_status(self, text: str | None) -> None:
        """Show ``text`` beside the persona's name while it works."""
        self.turn.set_status(text)

    def history(
        self, *, max_messages: int | None = None, max_tokens: int | None = None
    ) -> list[BaseMessage]:
        """Return the system prompt and the chat so far as LangChain messages.

        See :meth:`Turn.history` for the bounds.
        """
        return self.turn.history(max_messages=max_messages, max_tokens=max_tokens)

    async def prompt(self) -> list[BaseMessage]:
        """Return :meth:`history` with what goes with the message to answer.

        These are its attachments, those of earlier messages in the history, and, if it speaks of
        one, the notebook beside the chat: as text and, if the model takes them, images, before the
        message itself.
        """
        return (await self._prompt())[0]

    async def _prompt(self, *found: Rendered) -> tuple[list[BaseMessage], str]:
        """Return the prompt, and the Markdown that says what is not in it.

        ``found`` goes with the message as well, after what belongs to it.
        """
        messages = self.history()
        workspace = self.turn.workspace
        if not messages or not (workspace.has_context or found):
            return messages, ""
        takes_images, tokens, keeps_history = await self._capabilities()
        parts: list[Rendered] = []
        if workspace.has_context:
            # Half of what the model reads is for the chat, its instructions and the answer.
            chars = None if tokens is None else tokens * BYTES_PER_TOKEN // 2
            try:
                parts = await workspace.context(max_chars=chars, earlier=not keeps_history)
            except RequestRefusedError as error:
                parts = [Rendered("What goes with the message", problem=str(error))]
        if not (parts := [*parts, *found]):
            return messages, ""
        question = str(messages[-1].content)
        content = message_content(question, parts, takes_images=takes_images)
        messages[-1] = messages[-1].model_copy(update={"content": content})
        return messages, problems_line(parts, takes_images=takes_images)

    async def _capabilities(self) -> tuple[bool, int | None, bool]:
        """Return what is known of the model.

        Whether it takes images, how many tokens it reads, and whether it keeps the history itself.
        """
        from jupyter_ai_personas.providers.capabilities import max_input_tokens, takes_images

        try:
            # Building imports the vendor's package: seconds that other turns must not wait.
            model = await anyio.to_thread.run_sync(lambda: self.model)
        except ModelError:
            return False, None, False  # asking the model raises the reason
        keeps_history = bool(getattr(model, "manages_history", False))
        return takes_images(model), max_input_tokens(model), keeps_history

    def attachments(self) -> list[Attachment]:
        """Return what is attached to the message; see :meth:`Turn.attachments`."""
        return self.turn.attachments()

    def get_chat_path(self) -> str:
        """Return the chat's path, relative to the server's root."""
        return self._context.chat_path()

    def get_workspace_dir(self) -> Path | None:
        """Return the server's root directory, or ``None`` if it is no directory."""
        return self._context.workspace_dir

    async def ask_model(
        self, messages: list[BaseMessage], *, tools: bool = True
    ) -> AsyncGenerator[str, None]:
        """Stream the model's answer to ``messages`` as text; the model and its usage are recorded.

        The model can call the persona's tools, unless ``tools`` is false: each call is a collapsed
        line of the text, and the model is asked again with the results until it calls none.

        They need not be what the model's server accepts: neighbours of one role are joined, empty
        messages are left out, and the oldest where the model cannot read them all. A piece that is
        :class:`~jupyter_ai_personas.text.Anew` replaces those before it: they were reasoning.

        Raises:
            ModelError: the model cannot be built, or failed; the message says what to do.
        """
        caller = await self._caller() if tools else None
        if caller is None:
            pieces = self._ask(messages, (), Answered())
        else:
            # Only a turn without code of the author's can go on where it was cut off.
            replay = type(self).process_message is BasePersona.process_message
            pieces = answer_with_tools(self._ask, messages, caller, replay=replay)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _ask(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[Mapping[str, Any]],
        answered: Answered,
    ) -> AsyncGenerator[str, None]:
        """Ask the model once; see :data:`~jupyter_ai_personas.tools.loop.Ask`."""
        from jupyter_ai_personas.providers import reply_text

        turn = self.turn

        async def noted() -> AsyncGenerator[ModelChunk, None]:
            model = ""
            stream = self._models.stream(
                turn.model, messages, parameters=turn.spec.model_parameters, tools=tools
            )
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    if chunk.answer is not None:
                        answered.message = chunk.answer
                    # Not every vendor tells the usage, and a reply may be stopped before it comes:
                    # the first chunk names the model that answers.
                    if chunk.usage or chunk.model != model:
                        model = chunk.model
                        turn.record_usage({"model": model, **(chunk.usage or {})})
                    yield chunk

        shown = self._models.registry.settings.show_reasoning
        async with aclosing(reply_text(noted(), show_reasoning=shown)) as texts:
            async for text in texts:
                yield text

    async def _caller(self) -> Caller | None:
        """Return what calls tools in this turn, ``None`` if there are none."""
        turn = self.turn
        if turn.caller is None and turn.spec.tool_bounds.calls > 0:
            own = await self.own_tools()
            packages = self._context.packages
            if packages is not None and turn.spec.tools and not packages.is_loaded:
                await anyio.to_thread.run_sync(packages.load)
            turn.caller = Caller(
                turn.spec.tools,
                own,
                bounds=turn.spec.tool_bounds,
                local=lambda name: packages.tool(name) if packages is not None else None,
                request=turn.request,
                status=turn.set_status,
                images=(await self._capabilities())[0],
            )
        return turn.caller if turn.caller is not None and turn.caller.tools else None

    async def own_tools(self) -> Mapping[str, tuple[ToolInfo, Any]]:
        """Return what :meth:`tools` gives, with descriptions; it is asked once.

        Raises:
            PersonaCodeError: what ``tools()`` returns are no LangChain tools.
        """
        if self._own_tools is None:
            # An author may have an attribute of that name that is something else.
            made = self.tools() if callable(self.tools) else ()
            made = await made if inspect.isawaitable(made) else made
            try:
                found = named_tools(mention_name(self.name), self.id, made) if made else {}
            except UnusableToolError as error:
                raise PersonaCodeError(self.name, f"in `tools()`, {error}") from None
            self._own_tools = found
        return self._own_tools


async def _after(text: str, pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """Yield ``pieces`` with ``text`` before them."""
    async with aclosing(pieces):
        if text:
            yield text
        async for piece in pieces:
            # One of another type replaces those before it.
            yield piece if type(piece) is str else type(piece)(text + piece)
