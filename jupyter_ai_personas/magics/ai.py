"""``AiMagics``: ``%ai`` and ``%%ai``."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_cell_magic, magics_class, no_var_expand
from traitlets import observe

from ..errors import MagicsError, PersonasError, near_matches
from ..redaction import looks_like_a_secret, without_secret
from ..text import well_formed
from ..version import __version__
from . import listing
from .background import Background, Emit
from .cells import Cells
from .conversation import Conversation
from .display import make_display
from .failures import StoppedError, explain
from .formats import without_images
from .frontends import front_end_of
from .interpolation import interpolate
from .options import CellOptions, Command, help_text, parse_cell_line, parse_line
from .settings import MagicsSettings, settings_of_models

if TYPE_CHECKING:
    from .models import Models, Part
    from .personas import Personas

__all__ = ["AiMagics"]

_MOST_CHARS = 1_000_000
_MOST_CHARS_OF_AN_IMAGE = 30_000_000
_ALIAS = re.compile(r"[A-Za-z_][\w.-]*")

_log = logging.getLogger("jupyter_ai_personas.magics")
# The cell shows errors. The log only gets tracebacks, for example of a persona's code.
_log.setLevel(logging.ERROR)


@magics_class
class AiMagics(MagicsSettings):
    """Ask models and personas from cells. ``%ai help`` shows how."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._background = Background(on_loss=self._models_are_lost)
        self._conversation = Conversation()
        self._cells = Cells(shell)
        self._models: Models | None = None
        self._personas: Personas | None = None
        super().__init__(shell)
        shell.events.register("post_run_cell", self._cells.record)

    def close(self) -> None:
        """Release callbacks, connections and the thread."""
        self._shell.events.unregister("post_run_cell", self._cells.record)
        self._shell.configurables.remove(self)
        self._forget_models()
        self._background.close()

    @no_var_expand
    @line_cell_magic
    def ai(self, line: str, cell: str | None = None) -> None:
        """Ask a model or a persona (``%%ai``), or run a command (``%ai``).

        ``%ai help`` shows models, options and commands.
        """
        try:
            if cell is None:
                self._do(parse_line(line))
            else:
                self._ask_cell(parse_cell_line(line), cell)
        except MagicsError:
            raise
        except PersonasError as error:
            raise MagicsError(explain(error)) from error

    # -- cells --------------------------------------------------------------------------------

    def _ask_cell(self, options: CellOptions, cell: str) -> None:
        if options.help:
            print(help_text())
            return
        prompt = interpolate(cell.strip(), self._cells)
        if not prompt:
            raise MagicsError("There is no question: write it into the lines below `%%ai`.")
        self._ask(options, prompt)

    def _ask(self, options: CellOptions, prompt: str) -> None:
        prompt = well_formed(prompt)  # An inserted file name may have lone surrogates.
        target = interpolate(options.target, self._cells) if options.target else None
        if target is not None and target.startswith("@"):
            if options.parameters:
                raise MagicsError("A persona takes no model parameters: its author chooses them.")
            personas = self._get_personas()
            self._show(options, prompt, lambda emit: personas.ask(target, prompt, emit=emit))
        else:
            models = self._get_models()
            before = self._conversation.newest(self.max_history)
            format, parameters = options.format, options.parameters
            self._show(
                options,
                prompt,
                lambda emit: models.ask(
                    target, prompt, before=before, format=format, parameters=parameters, emit=emit
                ),
            )

    def _show(
        self,
        options: CellOptions,
        prompt: str,
        ask: Callable[[Emit[Part]], Awaitable[None]],
    ) -> None:
        display = make_display(self._shell, options.format)
        is_image = options.format == "image"
        most = _MOST_CHARS_OF_AN_IMAGE if is_image else _MOST_CHARS
        complete = False
        try:
            with closing(self._background.iterate(ask)) as parts:
                for part in parts:
                    if part is None:
                        display.tick()
                    elif part.note:
                        display.note(part.note)
                    else:
                        display.write(part.text, part.metadata)
                    if len(display.text) > most:
                        raise MagicsError(f"The reply passed {most:,} characters: stopped.")
            complete = True
        except KeyboardInterrupt:
            raise StoppedError("Stopped; what came of the reply is kept.") from None
        finally:
            if not complete:
                display.keep()
                if display.text:
                    self._conversation.add(prompt, display.text)
        reply = display.finish()
        self._conversation.add(prompt, without_images(reply) if is_image else reply)
        # Store it as the cell's value in `_` and `Out[n]`, without showing it again.
        self._shell.displayhook.update_user_ns(reply)

    # -- commands -----------------------------------------------------------------------------

    def _do(self, command: Command) -> None:
        if command.name == "help":
            print(help_text())
        elif command.name == "version":
            print(f"jupyter_ai_personas {__version__}")
        elif command.name == "list":
            self._list(*command.arguments)
        elif command.name == "error":
            self._explain_error(command.options)
        elif command.name == "alias":
            self._alias(*command.arguments)
        elif command.name == "dealias":
            self._dealias(*command.arguments)
        else:
            self._conversation.clear()
            print("The conversation is forgotten.")

    def _list(self, provider_id: str | None = None) -> None:
        models = self._get_models()

        async def describe() -> listing.Listing:
            if provider_id is not None:
                return listing.one_provider(*await models.one_provider(provider_id))
            infos, default, broken = await models.overview()
            return listing.providers(infos, aliases=self.aliases, default=default, broken=broken)

        found = self._background.run(describe)
        if front_end_of(self._shell).rich:
            data = {"text/markdown": found.markdown(), "text/plain": found.text()}
            self._shell.display_pub.publish(data)
        else:
            print(found.text())

    def _explain_error(self, options: CellOptions) -> None:
        last = self._cells.last_error()
        if last is None:
            raise MagicsError("There is no error to explain: nothing has raised one here.")
        trace = f"```text\n{last.trace}\n```"
        if last.code is None:
            prompt = f"Explain the error of this traceback, and how to mend it.\n\n{trace}"
        else:
            prompt = (
                "Explain the error that this cell of a notebook raised, and how to mend it.\n\n"
                f"```python\n{last.code}\n```\n\n{trace}"
            )
        self._ask(options, prompt)

    def _alias(self, name: str, target: str) -> None:
        if not _ALIAS.fullmatch(name) or looks_like_a_secret(name):
            raise MagicsError(
                f"`{without_secret(name)}` cannot be an alias: it takes letters, digits, `_`, `-` "
                "and `.`."
            )
        models = self._get_models()
        meant = str(self._background.run(lambda: models.resolve(target)))
        self.aliases = {**self.aliases, name: meant}
        print(f"{name} stands for {meant} now.")

    def _dealias(self, name: str) -> None:
        if name not in self.aliases:
            near = near_matches(name, self.aliases)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise MagicsError(f"There is no alias `{without_secret(name)}`.{hint}")
        self.aliases = {k: v for k, v in self.aliases.items() if k != name}
        print(f"{name} stands for nothing now.")

    # -- models and personas ------------------------------------------------------------------

    def _get_models(self) -> Models:
        # Imported here to keep `%load_ext` fast.
        from .models import Models

        if self._models is None:
            self._models = Models(self.provider_settings(), log=_log)
        return self._models

    def _get_personas(self) -> Personas:
        from .personas import Personas

        if self._personas is None:
            self._personas = Personas(self._get_models(), log=_log)
        return self._personas

    @observe(*settings_of_models())
    def _settings_changed(self, change: Mapping[str, Any]) -> None:
        self._forget_models()

    def _models_are_lost(self) -> None:
        # Their connections belong to the lost event loop.
        self._models = self._personas = None

    def _forget_models(self) -> None:
        models, self._models, self._personas = self._models, None, None
        if models is not None:
            self._background.run(models.aclose)
