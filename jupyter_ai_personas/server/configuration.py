"""What the operator has configured, read from the traits of the server extension."""

from __future__ import annotations

from pathlib import Path

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.filemanager import FileContentsManager

from jupyter_ai_personas.context.settings import IndexSettings
from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.hosts.places import missing_extras
from jupyter_ai_personas.providers.settings import ProviderSettings
from jupyter_ai_personas.runtime.settings import RuntimeSettings
from jupyter_ai_personas.server.config_files import unread_files
from jupyter_ai_personas.server.settings import ServerSettings
from jupyter_ai_personas.settings.traits import Configured, made_from
from jupyter_ai_personas.tools.settings import ToolSettings

__all__ = ["Configuration"]


class Configuration(Configured, ExtensionApp):
    """Gives the settings as plain data, once all of them could be applied."""

    _is_linked_whole = False
    """Whether the configuration of the server has been read to its end."""

    @property
    def server(self) -> ServerApp:
        """The server; the command line has the configuration of one, and no web application."""
        assert self.serverapp is not None, "the extension is not linked to a server"
        return self.serverapp

    @property
    def persona_manager(self) -> str:
        """The server extension of Jupyter AI that runs personas, if it is enabled, else nothing."""
        from jupyter_ai_personas.server.other_runtimes import PERSONA_MANAGER

        return PERSONA_MANAGER if self.server.jpserver_extensions.get(PERSONA_MANAGER) else ""

    def why_off(self) -> list[str]:
        """Return why personas must not start: the parts of the configuration that do not apply."""
        manager = getattr(self.server, "extension_manager", None)  # the command line has none
        apps = manager.extension_apps.values() if manager is not None else [{self}]
        files = unread_files(self.server, *(app for some in apps for app in some))
        missing = missing_extras(made_from(RuntimeSettings, self).hosts.values())
        reasons = [*files, *self.problems, *missing]
        if not self._is_linked_whole and not reasons:
            reasons = ["The server could not apply its configuration; its log says why."]
        return reasons

    def _check(self) -> None:
        if self.problems:
            raise ConfigurationError(" ".join(self.problems))

    def runtime_settings(self) -> RuntimeSettings:
        """Return the configuration of turns as plain data.

        Raises:
            ConfigurationError: some of the configuration could not be applied.
        """
        self._check()
        # If contents are not stored as files, this directory is not what people see.
        has_files = issubclass(self.server.contents_manager_class, FileContentsManager)
        root = Path(self.server.root_dir)
        root_dir = str(root) if has_files and root.is_dir() else None
        return made_from(
            RuntimeSettings,
            self,
            root_dir=root_dir,
            base_url=self.server.base_url,
            has_files=has_files,
        )

    def provider_settings(self) -> ProviderSettings:
        """Return the configuration of models as plain data.

        Raises:
            ConfigurationError: some of the configuration could not be applied.
        """
        self._check()
        return made_from(ProviderSettings, self)

    def tool_settings(self) -> ToolSettings:
        """Return the configuration of tools as plain data.

        Raises:
            ConfigurationError: some of the configuration could not be applied.
        """
        self._check()
        return made_from(ToolSettings, self)

    def index_settings(self) -> IndexSettings:
        """Return the configuration of the search index as plain data.

        Raises:
            ConfigurationError: some of the configuration could not be applied.
        """
        self._check()
        secrets = self.provider_settings().secrets_file
        exclude = made_from(ServerSettings, self).search_exclude
        private = () if secrets is None else (str(secrets),)
        return IndexSettings(exclude=tuple(exclude), private=private)

    def server_settings(self) -> ServerSettings:
        """Return the rest of the configuration as plain data."""
        return made_from(ServerSettings, self)
