"""Test classes for model providers, for authors to inherit.

For example::

    class TestMyProvider(AnsweringProviderContract):
        provider = MyProvider

    class TestVendor(ProviderContract):
        provider = VendorProvider
        arguments = {"vendor_api_key": "fake"}

The first also calls the model; the second only builds it, with the arguments that stand in for
credentials, and without any network.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, TypeVar

import pytest
from langchain_core.messages import HumanMessage

from jupyter_ai_personas.providers import ModelChunk, ModelReference, stream_model
from jupyter_ai_personas.providers.auth import keyword_of, variables_of
from jupyter_ai_personas.providers.building import build_model, close_model
from jupyter_ai_personas.providers.credentials import names_a_secret, redact
from jupyter_ai_personas.providers.loading import what_is_wrong
from jupyter_ai_personas.providers.vendor import is_chat_class

__all__ = ["AnsweringProviderContract", "ProviderContract"]

_T = TypeVar("_T")
_FORMATS = ("code", "html", "image", "json", "markdown", "math", "md", "text")


class ProviderContract:
    """Tests that a provider's attributes are correct and its models can be built.

    ``arguments`` are what a model's constructor needs besides its id; ``model_id`` is the model to
    build, by default the first that is listed.
    """

    provider: ClassVar[Any]
    arguments: ClassVar[Mapping[str, Any]] = {}
    model_id: ClassVar[str | None] = None

    @property
    def reference(self) -> ModelReference:
        """The model that is built."""
        listed = [model for model in self.provider.models if model != "*"]
        return ModelReference(self.provider.id, self.model_id or (listed or ["some-model"])[0])

    def make_model(self) -> Any:
        """Build a model as a registry does."""
        return build_model(self.provider, self.reference, self.arguments, redact=redact)

    @pytest.fixture
    def no_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make every connection fail."""

        def refuse(*_: object) -> None:
            raise AssertionError("Building a model must not need a network.")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)

    def test_the_registry_accepts_it(self) -> None:
        assert what_is_wrong(self.provider) is None

    def test_it_lists_models_or_takes_any(self) -> None:
        models = list(self.provider.models)
        assert models
        assert len(set(models)) == len(models)
        assert "*" not in models or (models == ["*"] and self.provider.registry)
        assert set(self.provider.chat_models()) <= set(models)
        assert set(self.provider.completion_models()) <= set(models)

    def test_its_credentials_and_fields_are_described(self) -> None:
        strategy = self.provider.auth_strategy
        assert strategy is None or strategy.type in ("env", "multienv", "aws")
        assert all(name.isidentifier() for name in variables_of(strategy))
        for field in self.provider.fields:
            assert field.type in ("text", "text-multiline", "integer")
            assert field.key.isidentifier()
            assert field.label

    def test_its_packages_are_named(self) -> None:
        packages = self.provider.pypi_package_deps
        assert isinstance(packages, list)
        assert all(isinstance(package, str) and package.strip() for package in packages)

    @pytest.mark.usefixtures("no_network")
    def test_a_model_is_built_without_a_network_and_knows_its_id(self) -> None:
        model = self.make_model()
        assert model.model_id == self.reference.model_id
        key = self.provider.model_id_key or "model_id"
        assert getattr(model, key, model.model_id) == model.model_id

    def test_it_is_a_chat_model_exactly_when_it_says_so(self) -> None:
        assert self.make_model().is_chat_provider is is_chat_class(self.provider)

    def test_a_model_does_not_show_its_secrets(self) -> None:
        strategy = self.provider.auth_strategy
        model = self.make_model()
        for variable in filter(names_a_secret, variables_of(strategy)):
            secret = self.arguments.get(keyword_of(strategy, variable))
            assert not secret or secret not in repr(model)

    @pytest.mark.parametrize("format", _FORMATS)
    def test_every_format_has_a_template(self, format: str) -> None:
        template = self.make_model().get_prompt_template(format)
        assert "why {x}?" in template.format(prompt="why {x}?")

    def test_any_exception_can_be_asked_whether_it_is_about_the_key(self) -> None:
        for exception in (ValueError("no"), OSError(1, "no"), KeyError()):
            assert self.provider.is_api_key_exc(exception) in (True, False)


class AnsweringProviderContract(ProviderContract):
    """Also calls the provider's models."""

    question: ClassVar[str] = "Hello?"

    def stream(self, model: Any) -> AsyncGenerator[ModelChunk, None]:
        """Ask the model :attr:`question`."""
        return stream_model(model, [HumanMessage(self.question)], reference=self.reference)

    async def _ask(self, model: Any) -> str:
        return "".join([chunk.text async for chunk in self.stream(model)])

    def _run(self, call: Callable[[Any], Awaitable[_T]]) -> _T:
        """Run ``call`` with a new model in a new event loop."""

        async def run() -> _T:
            model = self.make_model()
            try:
                return await call(model)
            finally:
                await close_model(model)

        return asyncio.run(run())

    def test_it_answers(self) -> None:
        assert self._run(self._ask).strip()

    def test_it_answers_in_another_event_loop(self) -> None:
        assert [bool(self._run(self._ask).strip()) for _ in range(2)] == [True, True]

    def test_it_answers_several_at_once_if_it_allows_that(self) -> None:
        async def ask(model: Any) -> list[str]:
            count = 3 if model.allows_concurrency else 1
            return await asyncio.gather(*(self._ask(model) for _ in range(count)))

        assert all(answer.strip() for answer in self._run(ask))

    def test_it_answers_again_after_it_was_stopped(self) -> None:
        async def ask(model: Any) -> str:
            async with aclosing(self.stream(model)) as chunks:
                await anext(chunks)
            return await self._ask(model)

        assert self._run(ask).strip()
