from .descriptions import Effect, ToolBounds, ToolInfo, Toolset
from .executors import CallContext, Preview, ToolExecutor
from .grants import Grant, grant, is_permitted, wanted_toolsets
from .mcp import McpServers
from .names import model_name, model_names
from .packages import PackageToolsets
from .policy import Policy, check_policy, decide
from .prompts import Prompt
from .registry import ToolRegistry
from .settings import ToolSettings

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
