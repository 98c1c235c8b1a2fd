"""The extension as the server would configure it, without a server."""

from __future__ import annotations

import logging

from jupyter_server.serverapp import ServerApp

from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.server.extension import AiExtension

__all__ = ["configured_extension"]


def configured_extension(log: logging.Logger) -> AiExtension:
    """Read the configuration files that the server reads.

    Nothing is started, written or imported from plug-ins. The extension's ``serverapp`` knows which
    server extensions are enabled (``jpserver_extensions``). ``log`` gets what
    the server would log of this, unknown settings among it.

    Raises:
        ConfigurationError: a server could not start. The reasons that keep personas off are in
        :meth:`AiExtension.why_off`.
    """
    server = ServerApp(log=log)
    try:
        server.load_config_file()
        server.find_server_extensions()
        extension = AiExtension(parent=server, log=log)
        extension._link_jupyter_server_extension(server)
    except Exception as error:  # whatever a configuration file may hold
        raise ConfigurationError(" ".join(str(error).split())) from error
    except SystemExit:
        raise ConfigurationError("A server would not start with this configuration.") from None
    return extension
