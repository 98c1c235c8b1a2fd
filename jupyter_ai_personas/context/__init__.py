"""Context from the workspace: the search index, attachments, and rules for private files."""

from jupyter_ai_personas.context.index import MAX_HITS, Hit, WorkspaceIndex
from jupyter_ai_personas.context.index_folder import IndexStatus
from jupyter_ai_personas.context.settings import DEFAULT_EXCLUDE, IndexSettings

__all__ = [
    "DEFAULT_EXCLUDE",
    "MAX_HITS",
    "Hit",
    "IndexSettings",
    "IndexStatus",
    "WorkspaceIndex",
]
