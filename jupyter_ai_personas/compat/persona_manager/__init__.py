"""The public names of ``jupyter_ai_persona_manager``, for where that package is not installed.

Personas of other packages import them under that name, see ``stand_ins``; how they run is the
business of :mod:`jupyter_ai_personas.personas.adapted`.
"""

from .auth_manager import PersonaAuthManager, PersonaNotAuthenticated
from .awareness_models import (
    CommandOption,
    ModelConfiguration,
    ModelOption,
    ModelSpec,
    PersonaOption,
    SettingConfiguration,
    SettingOption,
    Usage,
)
from .base_persona import BasePersona, PersonaDefaults, PreparationState
from .mcp_server_models import McpServerHttp, McpServerStdio, McpSettings
from .persona_manager import PersonaManager, PersonaRequirementsUnmet

__all__ = [
    "BasePersona",
    "CommandOption",
    "McpServerHttp",
    "McpServerStdio",
    "McpSettings",
    "ModelConfiguration",
    "ModelOption",
    "ModelSpec",
    "PersonaAuthManager",
    "PersonaDefaults",
    "PersonaManager",
    "PersonaNotAuthenticated",
    "PersonaOption",
    "PersonaRequirementsUnmet",
    "PreparationState",
    "SettingConfiguration",
    "SettingOption",
    "Usage",
]
