"""Context from the workspace: the search index, attachments, and rules for private files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
