from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_ai_personas.errors import (
    ConfigurationError,
    MissingCredentialsError,
    ModelFailedError,
)
from jupyter_ai_personas.providers import (
    AwsAuthStrategy,
    Endpoint,
    EnvAuthStrategy,
    ModelReference,
    MultiEnvAuthStrategy,
    ProviderSettings,
)
from jupyter_ai_personas.providers.credentials import Credentials, read_secrets_file, redact


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def test_a_secrets_file_is_read_like_a_dotenv_file(tmp_path: Path) -> None:
    file = write(
        tmp_path / "secrets.env",
        "# keys\n\nA_KEY=plain # a comment\nexport B_KEY = 'it # is'\n"
        'C_KEY="x=y"\nD_KEY=\nE_KEY=a#b\nF_KEY=é\n',
    )
    assert read_secrets_file(file) == {
        "A_KEY": "plain",
        "B_KEY": "it # is",
        "C_KEY": "x=y",
        "D_KEY": "",
        "E_KEY": "a#b",
        "F_KEY": "é",
    }


@pytest.mark.parametrize("others", [stat.S_IRGRP, stat.S_IROTH, stat.S_IWOTH])
def test_a_secrets_file_that_others_can_access_is_refused(tmp_path: Path, others: int) -> None:
    file = write(tmp_path / "secrets.env", "A_KEY=topsecret", 0o600 | others)
    with pytest.raises(ConfigurationError, match=r"chmod 600 secrets\.env") as caught:
        read_secrets_file(file)
    assert "topsecret" not in str(caught.value)


def test_a_secrets_file_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "secrets.env", "A_KEY=x")
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="must belong to the user"):
        read_secrets_file(file)


@pytest.mark.parametrize("content", ["A_KEY=1\nnot a line with topsecret\n", b"A_KEY=\xff\n"])
def test_a_secrets_file_that_is_none_is_refused_without_quoting_it(
    tmp_path: Path, content: str | bytes
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_secrets_file(write(tmp_path / "secrets.env", content))
    assert "topsecret" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_secrets_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"`none.env` cannot be read.*secrets_file"):
        read_secrets_file(tmp_path / "none.env")


def test_the_environment_wins_over_the_file_and_the_file_over_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credentials = Credentials(file={"A": "file", "B": "file"}, config={"B": "conf", "C": "conf"})
    monkeypatch.setenv("A", "env")
    assert [credentials.get(name) for name in "ABCD"] == ["env", "file", "conf", None]


def test_multienv_works_when_all_variables_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = MultiEnvAuthStrategy(["ONE_KEY", "TWO_KEY"])
    credentials = Credentials()
    assert credentials.missing(strategy) == ["ONE_KEY", "TWO_KEY"]
    monkeypatch.setenv("ONE_KEY", "1")
    assert credentials.missing(strategy) == ["TWO_KEY"]
    assert not credentials.present(strategy)
    monkeypatch.setenv("TWO_KEY", "2")
    assert credentials.missing(strategy) == []
    assert credentials.present(strategy)
    assert credentials.keywords(strategy) == {}


def test_secrets_of_the_file_are_passed_by_keyword() -> None:
    credentials = Credentials(file={"ONE_KEY": "1", "TWO_KEY": "2"})
    multi = credentials.keywords(MultiEnvAuthStrategy(["ONE_KEY", "TWO_KEY"]))
    assert multi == {"one_key": "1", "two_key": "2"}
    assert credentials.keywords(EnvAuthStrategy("ONE_KEY")) == {"one_key": "1"}
    assert credentials.keywords(EnvAuthStrategy("ONE_KEY", "api_key")) == {"api_key": "1"}


def test_a_named_keyword_gets_the_secret_of_the_environment_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONE_KEY", "1")
    assert Credentials().keywords(EnvAuthStrategy("ONE_KEY", "api_key")) == {"api_key": "1"}
    assert Credentials().keywords(EnvAuthStrategy("ONE_KEY")) == {}


def test_strategies_of_other_packages_are_known_by_their_attributes() -> None:
    strategy = SimpleNamespace(type="env", name="X_KEY", keyword_param=None)
    assert Credentials().missing(strategy) == ["X_KEY"]
    assert Credentials(config={"X_KEY": "1"}).keywords(strategy) == {"x_key": "1"}


def test_aws_credentials_are_seen_without_any_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    credentials, strategy = Credentials(), AwsAuthStrategy()
    assert credentials.missing(strategy) == []
    assert not credentials.present(strategy)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(write(tmp_path / "aws", "[default]")))
    assert credentials.present(strategy)


def test_a_provider_without_strategy_is_not_known_to_be_wanted() -> None:
    assert Credentials().missing(None) == []
    assert not Credentials().present(None)


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abc***wxyz0123456789.",
        "header Authorization: Bearer abcdef123456 was refused",
        "GET https://host/v1/models?key=abcdef123456&x=1",
        "config says topsecretvalue",
        "environment says environmentsecret",
    ],
)
def test_secrets_are_taken_out_of_texts(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "environmentsecret")
    clean = Credentials(config={"X": "topsecretvalue"}).redact(text)
    assert "[secret]" in clean
    for secret in ("sk-proj", "wxyz", "abcdef", "topsecret", "environmentsecret"):
        assert secret not in clean


def test_plain_text_stays_as_it_is() -> None:
    text = "The model `gpt-5` failed: maximum context length is 8192 tokens; ask-for-less."
    assert redact(text) == text


def test_a_missing_credential_names_its_variable(make_registry: Any) -> None:
    registry = make_registry()
    with pytest.raises(MissingCredentialsError, match=r"`openai` needs `OPENAI_API_KEY`"):
        registry.check(ModelReference("openai", "gpt-5"))
    with pytest.raises(
        MissingCredentialsError, match="`AZURE_OPENAI_API_KEY` and `AZURE_OPENAI_ENDPOINT`"
    ):
        registry.build(ModelReference("azure", "mine"))


def test_a_secret_in_the_parameters_counts(make_registry: Any) -> None:
    registry = make_registry(model_parameters={"openai": {"api_key": "sk-x"}})
    registry.check(ModelReference("openai", "gpt-5"))


def test_the_registry_reads_the_secrets_file(make_registry: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "s.env", "OPENAI_API_KEY=filesecret1")
    registry = make_registry(secrets_file=file)
    registry.check(ModelReference("openai", "gpt-5"))
    model = registry.build(ModelReference("openai", "gpt-5"))
    assert model.openai_api_key.get_secret_value() == "filesecret1"
    assert "filesecret1" not in repr(model)


def test_a_refused_secrets_file_is_reported_and_the_rest_works(
    make_registry: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path / "s.env", "OPENAI_API_KEY=filesecret1", 0o644)
    with caplog.at_level(logging.ERROR):
        registry = make_registry(secrets_file=file)
    assert "chmod 600 s.env" in caplog.text
    assert len(registry.problems) == 1
    with pytest.raises(MissingCredentialsError):
        registry.check(ModelReference("openai", "gpt-5"))
    registry.check(ModelReference("keyless", "repeat"))


def test_the_settings_do_not_show_their_secrets() -> None:
    secret = {"api_key": "topsecret"}
    settings = ProviderSettings(
        credentials={"A_KEY": "topsecret"},
        model_parameters={"openai": secret},
        endpoints={"loop": Endpoint(base_url="http://x/v1", parameters=secret)},
    )
    assert "topsecret" not in repr(settings)


def test_secrets_among_the_parameters_are_taken_out_of_texts(make_registry: Any) -> None:
    registry = make_registry(
        model_parameters={"openai": {"api_key": "topsecret1", "temperature": 0.5}},
        endpoints={"loop": Endpoint(base_url="http://x/v1", parameters={"api_key": "topsecret2"})},
    )
    text = registry.credentials.redact("topsecret1 and topsecret2 at 0.5")
    assert text == "[secret] and [secret] at 0.5"


def test_a_short_value_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORT_KEY", "a")
    assert redact("a plain text") == "a plain text"


def test_a_constructor_that_quotes_a_secret_does_not_show_it(
    make_registry: Any, install: Any
) -> None:
    install(
        "leaky",
        "from jupyter_ai_personas import BaseProvider, EnvAuthStrategy\n"
        "from langchain_core.language_models.fake_chat_models import FakeListChatModel\n"
        "class Leaky(BaseProvider, FakeListChatModel):\n"
        "    id, name, models = 'leaky', 'Leaky', ['m']\n"
        "    auth_strategy = EnvAuthStrategy('LEAKY_KEY')\n"
        "    def __init__(self, **kwargs):\n"
        "        raise ValueError('wrong key ' + kwargs['leaky_key'])\n",
        {"leaky": "leaky:Leaky"},
    )
    registry = make_registry(credentials={"LEAKY_KEY": "topsecret"})
    with pytest.raises(ModelFailedError, match=r"wrong key \[secret\]") as caught:
        registry.build(registry.resolve("leaky:m"))
    assert caught.value.__cause__ is None
