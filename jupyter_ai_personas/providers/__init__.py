"""Model providers: from an entry point and a reference to a LangChain model that can be called.

Each name is imported on first use: this package imports LangChain, which takes about a second.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
