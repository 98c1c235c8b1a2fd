from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dotenv import dotenv_values
from langchain_core.messages import HumanMessage
from pydantic import SecretStr

from jupyter_ai_personas.errors import (
    ConfigurationError,
    MissingCredentialsError,
    ModelFailedError,
    PersonasError,
)
from jupyter_ai_personas.providers import (
    AwsAuthStrategy,
    Endpoint,
    EnvAuthStrategy,
    ModelCache,
    ModelReference,
    MultiEnvAuthStrategy,
    ProviderSettings,
)
from jupyter_ai_personas.providers.credentials import Credentials, read_secrets_file, redact
from jupyter_ai_personas.testing.openai_server import OpenAIServer

ASK = [HumanMessage("why?")]


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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('A_KEY="sk-abc" # prod', "sk-abc"),
        ("A_KEY='sk-abc' # prod", "sk-abc"),
        ("A_KEY=sk-abc # prod", "sk-abc"),
        ("A_KEY=sk-abc#prod", "sk-abc#prod"),
        ("A_KEY= # none", ""),
        ("A_KEY=", ""),
        ('A_KEY=""', ""),
        ("A_KEY = sk-abc ", "sk-abc"),
        ("\ufeffA_KEY=sk-abc", "sk-abc"),
        ("export A_KEY=sk-abc", "sk-abc"),
        ("export\tA_KEY=sk-abc", "sk-abc"),
        ("A_KEY=sk-abc\r\nB_KEY=x\r\n", "sk-abc"),
        ("B_KEY=x\r\nA_KEY='sk-abc'\r\n", "sk-abc"),
        ("A_KEY=first\nA_KEY=second", "second"),
        ('A_KEY="two\\nlines"', "two\nlines"),
        ('A_KEY="two\nlines"', "two\nlines"),
        ("A_KEY='a\\'b'", "a'b"),
        ('A_KEY="a\\"b"', 'a"b'),
        ("A_KEY=it's", "it's"),
        ("A_KEY=$HOME-${B_KEY}", "$HOME-${B_KEY}"),
        ('A_KEY="${B_KEY}"', "${B_KEY}"),
        ("A_KEY=sk=abc==", "sk=abc=="),
    ],
)
def test_the_values_of_a_secrets_file_are_those_of_dotenv(
    tmp_path: Path, text: str, value: str
) -> None:
    file = write(tmp_path / "secrets.env", text)
    assert read_secrets_file(file)["A_KEY"] == value
    assert dotenv_values(file, interpolate=False, encoding="utf-8-sig")["A_KEY"] == value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("topsecret", 1),
        ("\ufefftopsecret", 1),
        ("A_KEY=1\n\n# a comment\n\ntopsecret and more\n", 5),
        ("A_KEY=1\r\n\r\ntopsecret and more\r\n", 3),
        ("A_KEY='topsecret' more", 1),
        ("\n\nA_KEY='topsecret\nB_KEY=1\n", 3),
        ("=topsecret", 1),
        ("A_KEY: topsecret", 1),
        ("B='two\nlines'\nexport topsecret\n", 3),
    ],
)
def test_a_line_that_is_not_understood_is_named_by_its_number(
    tmp_path: Path, text: str, line: int
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^Line {line} of .*`NAME=value`") as caught:
        read_secrets_file(write(tmp_path / "secrets.env", text))
    assert "topsecret" not in str(caught.value)


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
    registry.check(ModelReference("workspace", "search"))


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


KEY = "sk-as-it-should-be"
AROUND = [f"{KEY}\n", f" {KEY}", f"{KEY} ", f"{KEY}\r\n", f"\t{KEY}\n\n"]
BLANK = ["", " ", "\n", "\t \r\n"]
ILLEGAL = [
    "sk-as\nit-should",
    "sk-as\rit-should",
    "sk-as\tit-should",
    "sk-“as”-it",
    "sk-as\x7f-it",
    "clé-0123",
]


def endpoint_with(source: str, key: str, url: str, place: Path, env: Any) -> dict[str, Any]:
    """Return settings of an endpoint `loop` that takes `key` from one of the sources."""
    parameters: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    if source == "environment":
        env.setenv("LOOP_KEY", key)
    elif source == "file":
        escaped = key.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
        settings["secrets_file"] = write(place / "s.env", f'LOOP_KEY="{escaped}"')
    elif source == "configuration":
        settings["credentials"] = {"LOOP_KEY": key}
    elif source == "endpoint":
        parameters["api_key"] = key
    elif source == "header":
        parameters["default_headers"] = {"Authorization": f"Bearer {key.lstrip()}"}
    else:
        settings["model_parameters"] = {source: {"api_key": SecretStr(key)}}
    variable = None if source == "header" else "LOOP_KEY"
    endpoint = Endpoint(base_url=url, key_variable=variable, parameters=parameters)
    return {"endpoints": {"loop": endpoint}, **settings}


SOURCES = ["environment", "file", "configuration", "endpoint", "loop", "loop:m", "header"]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("key", AROUND)
async def test_white_space_around_a_key_is_left_out(
    source: str, key: str, make_registry: Any, tmp_path: Path, monkeypatch: Any, text_of: Any
) -> None:
    with OpenAIServer(key=KEY) as server:
        settings = endpoint_with(source, key, server.url, tmp_path, monkeypatch)
        cache = ModelCache(make_registry(**settings))
        assert await text_of(cache.stream("loop:m", ASK)) == "Hello from the loopback model."
        await cache.aclose()


@pytest.mark.parametrize("source", SOURCES[:-1])
@pytest.mark.parametrize("key", BLANK)
def test_a_blank_key_is_missing(
    source: str, key: str, make_registry: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    settings = endpoint_with(source, key, "http://127.0.0.1:9/v1", tmp_path, monkeypatch)
    registry = make_registry(**settings)
    with pytest.raises(MissingCredentialsError, match="needs `LOOP_KEY`"):
        registry.check(ModelReference("loop", "m"))
    assert {info.id: info for info in registry.infos()}["loop"].problem == "set LOOP_KEY"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("key", ILLEGAL)
def test_a_key_that_no_header_can_carry_is_named_and_not_shown(
    source: str, key: str, make_registry: Any, tmp_path: Path, monkeypatch: Any, caplog: Any
) -> None:
    settings = endpoint_with(source, key, "http://127.0.0.1:9/v1", tmp_path, monkeypatch)
    name = {"header": "default_headers.Authorization", "endpoint": "api_key"}.get(source, "api_key")
    if source in ("environment", "file", "configuration"):
        name = "LOOP_KEY"
    registry = make_registry(**settings)
    with pytest.raises(ModelFailedError, match=f"`{name}` holds a line break") as caught:
        registry.build(ModelReference("loop", "m"))
    if source != "loop:m":
        info = {info.id: info for info in registry.infos()}["loop"]
        assert (info.available, str(info.problem).partition(" ")[0]) == (False, name)
    if source in ("environment", "file", "configuration"):
        with pytest.raises(ModelFailedError, match=f"`{name}` holds a line break"):
            registry.list_models("loop")
    for part in ("sk-as", "should", "clé"):
        assert part not in str(caught.value) + caplog.text + str(registry.infos())


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r", f" {KEY} "])
@pytest.mark.parametrize("source", ["environment", "configuration"])
async def test_azures_key_and_endpoint_may_have_white_space_around_them(
    key: str, source: str, make_registry: Any, monkeypatch: Any, text_of: Any
) -> None:
    with OpenAIServer() as server:
        root = server.url.removesuffix("/v1")
        values = {"AZURE_OPENAI_API_KEY": key, "AZURE_OPENAI_ENDPOINT": f"{root}\n"}
        if source == "environment":
            for name, value in values.items():
                monkeypatch.setenv(name, value)
        cache = ModelCache(make_registry(credentials=values if source == "configuration" else {}))
        assert await text_of(cache.stream("azure:m", ASK)) == "Hello from the loopback model."
        await cache.aclose()
        assert server.requests[0].headers["api-key"] == KEY


async def test_a_key_of_one_call_is_stripped_checked_and_known(
    make_registry: Any, text_of: Any
) -> None:
    with OpenAIServer(key=KEY) as server:
        cache = ModelCache(make_registry(endpoints={"loop": Endpoint(base_url=server.url)}))
        given = {"api_key": f"{KEY}\n"}
        assert await text_of(cache.stream("loop:m", ASK, parameters=given))
        await cache.aclose()
        with pytest.raises(ModelFailedError, match="`api_key` holds a line break"):
            cache.registry.build(ModelReference("loop", "m"), parameters={"api_key": "a\nb"})
    assert redact(f"quoted: {KEY}") == "quoted: [secret]"


async def test_a_class_that_puts_an_illegal_key_into_a_header_names_its_variable(
    make_registry: Any, install: Any, monkeypatch: Any, loopback: OpenAIServer
) -> None:
    monkeypatch.setenv("CARELESS_URL", loopback.url)
    install(
        "careless",
        "import httpx\n"
        "from jupyter_ai_personas import BaseProvider, EnvAuthStrategy\n"
        "from langchain_core.language_models.chat_models import SimpleChatModel\n"
        "class Careless(BaseProvider, SimpleChatModel):\n"
        "    id, name, models = 'careless', 'Careless', ['m']\n"
        "    auth_strategy = EnvAuthStrategy('CARELESS_KEY', 'secret')\n"
        "    secret: str = ''\n"
        "    _llm_type = property(lambda self: 'careless')\n"
        "    def _call(self, *_, **__):\n"
        "        import os\n"
        "        httpx.get(os.environ['CARELESS_URL'], headers={'api-key': self.secret})\n",
        {"careless": "careless:Careless"},
    )
    for key in ("one\ntwothreefour", "schlüssel-4711", "“quoted”-4711"):
        monkeypatch.setenv("CARELESS_KEY", key)
        cache = ModelCache(make_registry())
        with pytest.raises(ModelFailedError, match=r"line break .*`CARELESS_KEY`") as caught:
            await anext(cache.stream("careless:m", ASK))
        assert "twothree" not in repr(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize(
    "secret",
    ["sk-proj-abcdefghijkl0123", "0123456789abcdef0123456789abcdef", "hunter2pass", "not a name!"],
)
def test_a_secret_typed_in_place_of_its_variable_is_recognised_and_not_shown(secret: str) -> None:
    config = {"base_url": "http://x/v1", "key_variable": secret}
    with pytest.raises(ConfigurationError, match=r"gate.*key_variable`.*VLLM_KEY") as caught:
        Endpoint.from_config("gate", config)
    assert secret not in str(caught.value)
    assert redact(f"config: {config}") == redact(f"config: {config}").replace(secret, "")


@pytest.mark.parametrize("name", ["GATEWAY_KEY", "gateway_key", "KEY_2", "_KEY", "HF_TOKEN"])
def test_the_name_of_a_variable_is_taken(name: str) -> None:
    config = {"base_url": "http://x/v1", "key_variable": name}
    assert Endpoint.from_config("gate", config).key_variable == name


def test_a_secret_typed_as_a_name_is_not_shown(make_registry: Any, caplog: Any) -> None:
    secret = "sk-proj-abcdefghijkl0123"
    at = Endpoint(base_url="http://127.0.0.1:9/v1", key_variable=secret, models=("m",))
    registry = make_registry(
        endpoints={secret: at, "gate": at}, aliases={secret: "gate:m", "fast": f"gate:{secret}"}
    )
    said = [*registry.problems, str(registry.infos())]
    for text in (secret, f"openai:{secret}", f"{secret}:m", f"{secret[:-1]}x", "fast"):
        with pytest.raises(PersonasError) as caught:
            registry.check(registry.resolve(text))
        said.append(f"{caught.value} {vars(caught.value)}")
    assert "[secret]" in str(said)
    assert "looks like a secret" in registry.problems[0]
    assert secret[:12] not in str(said) + caplog.text
    with pytest.raises(ConfigurationError) as refused:
        Endpoint.from_config(secret, {"base_url": "http://x/v1"})
    assert secret not in str(refused.value)
