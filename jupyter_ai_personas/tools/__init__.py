"""Tools of personas: descriptions, names, policy, grants. See ``docs/tools.md``."""

from jupyter_ai_personas.tools.descriptions import Effect, ToolBounds, ToolInfo, Toolset
from jupyter_ai_personas.tools.executors import CallContext, Preview, ToolExecutor
from jupyter_ai_personas.tools.grants import Grant, grant, is_permitted, wanted_toolsets
from jupyter_ai_personas.tools.mcp import McpServers
from jupyter_ai_personas.tools.names import model_name, model_names
from jupyter_ai_personas.tools.packages import PackageToolsets
from jupyter_ai_personas.tools.policy import Policy, check_policy, decide
from jupyter_ai_personas.tools.prompts import Prompt
from jupyter_ai_personas.tools.registry import ToolRegistry
from jupyter_ai_personas.tools.settings import ToolSettings

__all__ = [
    "CallContext",
    "Effect",
    "Grant",
    "McpServers",
    "PackageToolsets",
    "Policy",
    "Preview",
    "Prompt",
    "ToolBounds",
    "ToolExecutor",
    "ToolInfo",
    "ToolRegistry",
    "ToolSettings",
    "Toolset",
    "check_policy",
    "decide",
    "grant",
    "is_permitted",
    "model_name",
    "model_names",
    "wanted_toolsets",
]
