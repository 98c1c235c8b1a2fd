"""The Jupyter server extension."""

from jupyter_ai_personas.server.extension import AiExtension

__all__ = ["AiExtension"]
