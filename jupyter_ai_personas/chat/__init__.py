"""The chat document: the only package that imports pycrdt.

Other packages use the :class:`Chat` protocol, frozen :class:`Message` values and frozen events.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
