"""The provider classes of this installation: those of the entry points, and the endpoints'."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseLanguageModel

from ..discovery import MODEL_PROVIDERS_GROUP, Broken, Found, Watch, discover, unwatched
from .auth import plain_strategy, variables_of
from .descriptions import Description
from .endpoints import endpoint_class
from .settings import Endpoint
from .vendor import VendorProvider, is_chat_class

__all__ = ["describe", "discover_providers", "endpoint_classes", "what_is_wrong"]

_OWN_DISTRIBUTION = "jupyter_ai_personas"


def describe(provider: Any) -> Description:
    """Describe a class in which :func:`what_is_wrong` finds nothing."""
    chat = is_chat_class(provider)
    return Description(
        name=str(provider.name),
        models=tuple(map(str, provider.models)),
        chat_models=tuple(map(str, provider.chat_models())) if chat else (),
        chat=chat,
        registry=bool(provider.registry),
        packages=tuple(map(str, provider.pypi_package_deps or ())),
        strategy=plain_strategy(provider.auth_strategy),
        # Another package's key may be a document of several lines, for all that is known here.
        keys_in_headers=issubclass(provider, VendorProvider),
        allows_concurrency=_allows_concurrency(provider),
    )


def _allows_concurrency(provider: Any) -> bool:
    allowed = inspect.getattr_static(provider, "allows_concurrency", True)
    if isinstance(allowed, property) and allowed.fget is not None:
        # A property in Jupyter AI v2, of objects that would have to be built: each says a
        # constant, so it is asked without one.
        try:
            allowed = allowed.fget(provider.__new__(provider))
        except Exception:
            return True
    return bool(allowed)


def discover_providers(watch: Watch = unwatched) -> tuple[list[Found], list[Broken]]:
    """Load the entry points of the group, our own first. Blocking: imports foreign packages."""
    found, broken = discover(MODEL_PROVIDERS_GROUP, check=what_is_wrong, watch=watch)
    # A package that takes the id of a built-in must not change what that id means. Of two classes
    # of one package with one id, as Jupyter AI v2 allowed, the chat model is more useful.
    found.sort(
        key=lambda one: (
            one.distribution != _OWN_DISTRIBUTION,
            one.distribution,
            not is_chat_class(one.obj),
        )
    )
    return found, broken


def endpoint_classes(endpoints: Mapping[str, Endpoint]) -> dict[str, type]:
    """Return a provider class for each of the operator's endpoints, by id."""
    return {name: endpoint_class(name, endpoint) for name, endpoint in endpoints.items()}


def what_is_wrong(provider: Any) -> str | None:
    """Say why a class is no provider; any class with the right attributes is one."""
    # Jupyter AI's own BaseProvider, which has that attribute too, will do.
    if not hasattr(provider, "auth_strategy"):
        return f"`{provider.__qualname__}` is not a `BaseProvider`"
    for attribute in ("id", "name"):
        value = getattr(provider, attribute, None)
        if not isinstance(value, str) or not value:
            if _comes_second(provider):
                return (
                    "it inherits a LangChain class before `BaseProvider`; put `BaseProvider` first"
                )
            return f"its class attribute `{attribute}` is {value!r:.60}, not a name"
    if ":" in provider.id or any(map(str.isspace, provider.id)):
        return f"its id `{provider.id}` contains a colon or white space"
    if not issubclass(provider, BaseLanguageModel | VendorProvider):
        return "it inherits no LangChain model (an `LLM` or a `BaseChatModel`)"
    for attribute in ("models", "pypi_package_deps"):
        if not _is_list_of_names(getattr(provider, attribute, None)):
            return f"its class attribute `{attribute}` is not a list of names"
    try:
        variables_of(provider.auth_strategy)
        chat_models = provider.chat_models()
    except Exception as error:
        return f"it cannot be asked for its models: {type(error).__name__}: {error}"
    return None if _is_list_of_names(chat_models) else "`chat_models()` returns no list of names"


def _comes_second(provider: type) -> bool:
    """Whether ``BaseProvider`` is inherited after LangChain, whose fields then hide its own."""
    names = [cls.__name__ for cls in provider.__mro__]
    position = names.index("BaseProvider") if "BaseProvider" in names else 0
    return BaseLanguageModel in provider.__mro__[:position]


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
