"""The Jupyter server extension."""

from jupyter_ai_personas.server.extension import AiExtension as AiExtension

__all__ = ["AiExtension"]
