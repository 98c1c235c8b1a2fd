"""The runtime: chats, actors, turns, hosts and the ledger in one supervised task tree."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
