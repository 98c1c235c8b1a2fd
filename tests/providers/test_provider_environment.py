"""Variables that vendors' packages read by themselves: each works, or an error names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from test_provider_vendors import ASK, SECRET, VENDORS, WAIT, scripted

from jupyter_ai_personas.errors import ModelFailedError
from jupyter_ai_personas.providers import Endpoint, ModelCache, ModelReference
from jupyter_ai_personas.testing.openai_server import OpenAIServer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`langchain-community` is being sunset"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    # Clients whose constructor fails complain when they are collected.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DEAD = "http://127.0.0.1:9"
USUAL = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
OWN_CLIENT = sorted(VENDORS.keys() - {"bedrock", "google", "huggingface"})


@pytest.fixture(autouse=True)
def no_network_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in USUAL:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def direct() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def proxy() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


class Ask:
    """Asks a vendor's model, at the address of a server or at that of the environment."""

    def __init__(self, make_registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.make_registry = make_registry
        self.monkeypatch = monkeypatch

    async def __call__(
        self, vendor_id: str, server: OpenAIServer | None, **environment: str
    ) -> str:
        vendor = VENDORS[vendor_id]
        given = {vendor.variable: SECRET, **vendor.variables, **environment}
        for name, value in given.items():
            if name:
                self.monkeypatch.setenv(name, value)
        parameters = vendor.parameters(root(server or OpenAIServer()))
        if server is None:
            parameters = {k: v for k, v in parameters.items() if not k.endswith(("url", "point"))}
        cache = ModelCache(self.make_registry(model_parameters={vendor_id: parameters}))
        try:
            with anyio.fail_after(WAIT):
                stream = cache.stream(f"{vendor_id}:{vendor.model}", ASK)
                return "".join([chunk.text async for chunk in stream])
        finally:
            await cache.aclose()

    async def fails(self, vendor_id: str, server: OpenAIServer | None, **environment: str) -> str:
        """Return what people are told."""
        with pytest.raises(ModelFailedError) as caught:
            await self(vendor_id, server, **environment)
        assert SECRET not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def ask(make_registry: Any, monkeypatch: pytest.MonkeyPatch) -> Ask:
    return Ask(make_registry, monkeypatch)


def root(server: OpenAIServer) -> str:
    return server.url.removesuffix("/v1")


@pytest.mark.parametrize(
    ("vendor_id", "variable"),
    [
        ("anthropic", "ANTHROPIC_PROXY"),
        ("azure", "OPENAI_PROXY"),
        ("groq", "GROQ_PROXY"),
        ("openai", "OPENAI_PROXY"),
        *((vendor_id, "HTTP_PROXY") for vendor_id in VENDORS),
        *((vendor_id, "ALL_PROXY") for vendor_id in sorted(VENDORS.keys() - {"bedrock", "google"})),
    ],
)
async def test_a_proxy_is_used(
    vendor_id: str, variable: str, ask: Ask, direct: OpenAIServer, proxy: OpenAIServer
) -> None:
    proxy.answer(scripted(VENDORS[vendor_id]))
    assert await ask(vendor_id, direct, **{variable: root(proxy)}) == "Hello there"
    assert direct.requests == []
    assert proxy.requests[0].path.startswith(root(direct))


async def test_a_parameter_wins_over_the_variable_of_a_proxy(
    make_registry: Any, direct: OpenAIServer, proxy: OpenAIServer, text_of: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("OPENAI_PROXY", DEAD)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    parameters = {"base_url": direct.url, "openai_proxy": root(proxy)}
    cache = ModelCache(make_registry(model_parameters={"openai": parameters}))
    assert await text_of(cache.stream("openai:m", ASK))
    await cache.aclose()
    assert [len(proxy.requests), len(direct.requests)] == [1, 0]


async def test_an_endpoint_takes_nothing_of_openais_variables(
    make_registry: Any, direct: OpenAIServer, text_of: Any, monkeypatch: Any
) -> None:
    for name, value in {
        "OPENAI_PROXY": DEAD,
        "OPENAI_API_BASE": DEAD,
        "OPENAI_BASE_URL": DEAD,
        "OPENAI_API_KEY": "not-for-endpoints",
        "OPENAI_ADMIN_KEY": "not-for-endpoints",
        "OPENAI_ORG_ID": "not-for-endpoints",
        "OPENAI_ORGANIZATION": "not-for-endpoints",
        "OPENAI_PROJECT_ID": "not-for-endpoints",
        "OPENAI_API_TYPE": "azure",
        "OPENAI_API_VERSION": "2099-01-01",
        "OPENAI_CUSTOM_HEADERS": "X-Account: not-for-endpoints",
    }.items():
        monkeypatch.setenv(name, value)
    given = {"default_headers": {"X-Own": "mine"}, "organization": "ours"}
    loop = Endpoint(base_url=direct.url, parameters=given)
    cache = ModelCache(make_registry(endpoints={"loop": loop}))
    assert await text_of(cache.stream("loop:m", ASK)) == "Hello from the loopback model."
    await cache.aclose()
    (request,) = direct.requests
    assert request.headers["x-own"] == "mine"
    assert request.headers["openai-organization"] == "ours"
    assert "not-for-endpoints" not in str(request)
    assert request.path == "/v1/chat/completions"


async def test_an_endpoint_uses_its_own_proxy(
    make_registry: Any, direct: OpenAIServer, proxy: OpenAIServer, text_of: Any
) -> None:
    loop = Endpoint(base_url=direct.url, parameters={"openai_proxy": root(proxy)})
    cache = ModelCache(make_registry(endpoints={"loop": loop}))
    assert await text_of(cache.stream("loop:m", ASK))
    await cache.aclose()
    assert [len(proxy.requests), len(direct.requests)] == [1, 0]


@pytest.mark.parametrize(
    ("vendor_id", "variable", "suffix"),
    [
        ("anthropic", "ANTHROPIC_API_URL", ""),
        ("anthropic", "ANTHROPIC_BASE_URL", ""),
        ("azure", "AZURE_OPENAI_ENDPOINT", "/"),
        ("bedrock", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", ""),
        ("google", "GOOGLE_GEMINI_BASE_URL", ""),
        ("groq", "GROQ_API_BASE", ""),
        ("groq", "GROQ_BASE_URL", ""),
        ("mistral", "MISTRAL_BASE_URL", "/v1"),
        ("ollama", "OLLAMA_HOST", ""),
        ("openai", "OPENAI_API_BASE", "/v1"),
        ("openai", "OPENAI_BASE_URL", "/v1"),
        ("openrouter", "OPENROUTER_API_BASE", "/v1"),
    ],
)
async def test_an_address_in_the_environment_is_used_and_a_broken_one_is_named(
    vendor_id: str, variable: str, suffix: str, ask: Ask, direct: OpenAIServer
) -> None:
    direct.answer(scripted(VENDORS[vendor_id]))
    assert await ask(vendor_id, None, **{variable: root(direct) + suffix}) == "Hello there"
    assert len(direct.requests) == 1
    if vendor_id not in ("bedrock", "openrouter"):  # they try again for a minute
        assert f"`{variable}`" in await ask.fails(vendor_id, None, **{variable: DEAD + suffix})
    if vendor_id not in ("bedrock", "azure", "ollama"):
        text = await ask.fails(vendor_id, None, **{variable: "models.example.org"})
        assert f"`{variable}` is not an address such as `https://" in text


@pytest.mark.parametrize(
    ("vendor_id", "variable"),
    [("openai", "OPENAI_BASE_URL"), ("anthropic", "ANTHROPIC_BASE_URL"), ("groq", "GROQ_BASE_URL")],
)
async def test_an_empty_address_is_named_where_the_vendor_takes_it_for_one(
    vendor_id: str, variable: str, ask: Ask
) -> None:
    text = await ask.fails(vendor_id, None, **{variable: ""})
    assert f"`{variable}` is set and empty" in text


@pytest.mark.parametrize(
    ("environment", "version"),
    [({}, "2024-10-21"), ({"OPENAI_API_VERSION": "2099-01-01"}, "2099-01-01")],
)
async def test_azures_version_is_that_of_the_environment_or_our_default(
    environment: dict[str, str], version: str, ask: Ask, monkeypatch: Any
) -> None:
    with OpenAIServer() as server:
        server.answer(scripted(VENDORS["azure"]))
        await ask("azure", server, **environment)
    assert server.requests[0].path.endswith(f"?api-version={version}")


def test_azures_version_among_the_parameters_wins(make_registry: Any, monkeypatch: Any) -> None:
    for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION"):
        monkeypatch.setenv(name, "https://x.example.org")
    registry = make_registry(model_parameters={"azure": {"api_version": "2030-01-01"}})
    model = registry.build(ModelReference("azure", "m"))
    assert model.openai_api_version == "2030-01-01"


@pytest.mark.parametrize(
    ("vendor_id", "variable", "header"),
    [
        ("openai", "OPENAI_ORG_ID", "openai-organization"),
        ("openai", "OPENAI_PROJECT_ID", "openai-project"),
        ("azure", "OPENAI_ORG_ID", "openai-organization"),
        ("ollama", "OLLAMA_API_KEY", "authorization"),
        ("azure", "AZURE_OPENAI_AD_TOKEN", "authorization"),
    ],
)
async def test_a_variable_that_becomes_a_header_is_sent_and_an_illegal_one_is_named(
    vendor_id: str, variable: str, header: str, ask: Ask, direct: OpenAIServer
) -> None:
    direct.answer(scripted(VENDORS[vendor_id]))
    assert await ask(vendor_id, direct, **{variable: "some-value-9"}) == "Hello there"
    assert direct.requests[0].headers[header].endswith("some-value-9")
    text = await ask.fails(vendor_id, direct, **{variable: "some-value-9\n"})
    assert f"`{variable}` holds a line break" in text
    assert "some-value" not in text


@pytest.mark.parametrize("entry", ["fd00::/8", "[::1]", "host:*", "ex.org:80a"])
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("vendor_id", OWN_CLIENT)
async def test_a_broken_exception_from_the_proxy_works_or_is_named(
    vendor_id: str, name: str, entry: str, ask: Ask, direct: OpenAIServer
) -> None:
    direct.answer(scripted(VENDORS[vendor_id]))
    environment = {name: f"localhost, {entry},10.0.0.0/8,::1"}
    said = ""
    try:
        said = await ask(vendor_id, direct, **environment)
    except ModelFailedError as error:
        said = str(error)
    # The newer of the two HTTP libraries leaves such an entry out.
    assert said == "Hello there" or f"`{name}` has the entry `{entry}`" in said
    assert "Invalid port" not in said


def test_one_vendor_at_least_fails_at_a_broken_exception(
    make_registry: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("NO_PROXY", "fd00::/8")
    with pytest.raises(ModelFailedError, match=r"`NO_PROXY` has the entry `fd00::/8`"):
        make_registry().build(ModelReference("ollama", "m"))


@pytest.mark.parametrize("entry", ["*", "localhost", ".example.org", "*.example.org", "10.0.0.0/8"])
def test_a_good_exception_from_the_proxy_is_taken(
    entry: str, make_registry: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("NO_PROXY", f"{entry},::1,127.0.0.1")
    make_registry().build(ModelReference("ollama", "m"))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "names a file or folder that is not there"),
        ("SSL_CERT_FILE", __file__, "names a file without certificates"),
        ("ALL_PROXY", "socks4://ada:hunter2pass@127.0.0.1:9", "is not an address such as"),
        ("HTTP_PROXY", "ftp://ada:hunter2pass@127.0.0.1:9", "is not an address such as"),
        ("https_proxy", "http://ada:hunter2pass@127.0.0.1:x", "is not an address such as"),
    ],
)
@pytest.mark.parametrize("vendor_id", ["ollama", "openai", "groq", "loop"])
def test_a_broken_variable_of_the_network_is_named_without_its_password(
    vendor_id: str, name: str, value: str, said: str, make_registry: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("GROQ_API_KEY", SECRET)
    registry = make_registry(endpoints={"loop": Endpoint(base_url=DEAD)})
    with pytest.raises(ModelFailedError, match=f"`{name}` {said}") as caught:
        registry.build(ModelReference(vendor_id, "m"))
    assert "hunter2pass" not in str(caught.value)
    assert "/nowhere" not in str(caught.value)


@pytest.mark.parametrize(
    ("vendor_id", "variable"),
    [("openai", "OPENAI_PROXY"), ("groq", "GROQ_PROXY"), ("anthropic", "ANTHROPIC_PROXY")],
)
async def test_a_vendors_broken_proxy_is_named(
    vendor_id: str, variable: str, ask: Ask, direct: OpenAIServer
) -> None:
    text = await ask.fails(vendor_id, direct, **{variable: "ftp://ada:hunter2pass@127.0.0.1:9"})
    assert f"`{variable}` is not an address such as `http://proxy" in text
    assert "hunter2pass" not in text


@pytest.mark.parametrize("vendor_id", ["openai", "mistral", "ollama"])
async def test_a_proxy_that_is_down_is_named(
    vendor_id: str, ask: Ask, direct: OpenAIServer
) -> None:
    text = await ask.fails(vendor_id, direct, HTTP_PROXY=DEAD)
    assert "cannot be reached" in text
    assert "`HTTP_PROXY` in the server's environment" in text


async def test_a_proxy_that_a_vendor_does_not_read_is_named(ask: Ask) -> None:
    text = await ask.fails("google", None, ALL_PROXY=DEAD, GOOGLE_GEMINI_BASE_URL=DEAD)
    assert "`ALL_PROXY` is not read for this provider: set `HTTPS_PROXY`." in text


def test_another_error_is_not_put_on_the_environment(make_registry: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("NO_PROXY", "fd00::/8")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    registry = make_registry(model_parameters={"openai": {"temperature": "hot"}})
    with pytest.raises(ModelFailedError, match="set up: temperature: Input should be") as caught:
        registry.build(ModelReference("openai", "m"))
    assert "NO_PROXY" not in str(caught.value)


# -- AWS -----------------------------------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


ARN = "arn:aws:bedrock:us-east-1:123456789012"


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("arn", "vendor"),
    [
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5", "anthropic"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "amazon"),
        (f"{ARN}:inference-profile/us.meta.llama3-3-70b-instruct-v1:0", "meta"),
        (f"{ARN}:inference-profile/global.anthropic.claude-sonnet-4-5", "anthropic"),
        ("arn:aws-us-gov:bedrock:us-gov-west-1:1:inference-profile/us-gov.amazon.nova", "amazon"),
        (f"{ARN}:custom-model/amazon.titan-text-lite-v1:0:4k/ab12cd34ef56", "amazon"),
        (f"{ARN}:default-prompt-router/meta.llama:1", "meta"),
    ],
)
def test_an_arn_that_names_a_model_names_its_vendor(
    arn: str, vendor: str, make_registry: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    registry = make_registry()
    model = registry.build(registry.resolve(f"bedrock:{arn}"))
    assert (model.provider, model.model_id) == (vendor, arn)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    "kind", ["application-inference-profile", "provisioned-model", "imported-model", "x"]
)
def test_an_arn_that_names_no_model_says_what_to_write(
    kind: str, make_registry: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    reference = ModelReference("bedrock", f"{ARN}:{kind}/ab12cd34ef56")
    with pytest.raises(ModelFailedError) as caught:
        make_registry().build(reference)
    written = f'model_parameters = {{"{reference}": {{"provider": "anthropic"}}}}'
    assert f"c.AiExtension.{written}" in str(caught.value)
    parameters = {"provider": "anthropic", "base_model_id": "anthropic.claude-sonnet-4-5"}
    registry = make_registry(model_parameters={str(reference): parameters})
    assert registry.build(reference).provider == "anthropic"


@pytest.mark.usefixtures("aws")
async def test_an_arn_answers(ask: Ask, direct: OpenAIServer, make_registry: Any) -> None:
    direct.answer(scripted(VENDORS["bedrock"]))
    parameters = VENDORS["bedrock"].parameters(root(direct))
    cache = ModelCache(make_registry(model_parameters={"bedrock": parameters}))
    arn = "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0"
    with anyio.fail_after(WAIT):
        texts = [chunk.text async for chunk in cache.stream(f"bedrock:{arn}", ASK)]
    await cache.aclose()
    assert "".join(texts) == "Hello there"


@pytest.mark.usefixtures("aws")
def test_a_region_or_a_profile_that_is_missing_is_named(
    make_registry: Any, monkeypatch: Any
) -> None:
    reference = ModelReference("bedrock", "amazon.nova-lite-v1:0")
    with pytest.raises(ModelFailedError, match="set `AWS_REGION`"):
        make_registry().build(reference)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    make_registry().build(reference)
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    with pytest.raises(ModelFailedError, match="`AWS_PROFILE`"):
        make_registry().build(reference)


def test_aws_credentials_of_the_file_reach_boto3_without_white_space(
    make_registry: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret-0815\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    file = tmp_path / "s.env"
    file.write_text("AWS_ACCESS_KEY_ID=AKIA0815\n")
    file.chmod(0o600)
    registry = make_registry(
        secrets_file=file, model_parameters={"bedrock": {"region_name": "eu-west-1"}}
    )
    model = registry.build(ModelReference("bedrock", "amazon.nova-lite-v1:0"))
    assert model.aws_access_key_id.get_secret_value() == "AKIA0815"
    assert model.aws_secret_access_key.get_secret_value() == "aws-secret-0815"
