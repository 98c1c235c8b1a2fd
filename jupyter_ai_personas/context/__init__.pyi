from .index import MAX_HITS, Hit, WorkspaceIndex
from .index_folder import IndexStatus
from .settings import DEFAULT_EXCLUDE, IndexSettings

__all__ = [
    "DEFAULT_EXCLUDE",
    "MAX_HITS",
    "Hit",
    "IndexSettings",
    "IndexStatus",
    "WorkspaceIndex",
]
