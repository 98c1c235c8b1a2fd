"""What `docs/providers.md` says of the built-in providers is what they are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from test_provider_documented import OURS

from jupyter_ai_personas.providers.auth import variables_of
from jupyter_ai_personas.providers.catalogue import AUTO_ORDER

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "providers.md").read_text("utf-8")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_table_lists_every_built_in_with_its_extra_and_its_variables(
    make_registry: Any,
) -> None:
    table = PAGE.partition("\n## Variables")[0]
    rows = dict(re.findall(r"^\| `([a-z]+)` \| (.*) \|$", table, re.MULTILINE))
    providers = make_registry().providers
    assert set(rows) == set(providers)
    for provider_id, row in rows.items():
        provider: Any = providers[provider_id]
        assert all(f"`{variable}`" in row for variable in variables_of(provider.auth_strategy))
        if provider_id != "workspace":
            assert f"| `{provider_id}` |" in f"| {row} |"


def test_the_variables_that_vendors_read_are_listed(make_registry: Any) -> None:
    part = PAGE.partition("## Variables that vendors read themselves")[2].partition("\n## ")[0]
    for provider_id, provider in make_registry().providers.items():
        for variable in getattr(provider, "vendor_variables", ()):
            if variable not in ("AWS_DEFAULT_REGION", "OPENAI_ORGANIZATION"):  # older spellings
                (row,) = re.findall(rf"^\| `{provider_id}` \| .*$", part, re.MULTILINE)
                assert f"`{variable}`" in row
    assert "`2024-10-21`" in part


def test_every_extra_installs_what_its_provider_needs(make_registry: Any) -> None:
    extras = PROJECT["optional-dependencies"]
    for provider_id, provider in make_registry().providers.items():
        for package in provider.pypi_package_deps:
            assert any(r.startswith(f"{package}>=") for r in extras[provider_id])
            assert provider_id in extras["all-providers"][0]


def test_the_order_of_auto_is_documented() -> None:
    assert ", ".join(f"`{provider_id}`" for provider_id in AUTO_ORDER) in PAGE


def test_the_documented_provider_differs_from_v2s_by_one_import() -> None:
    assert f"```{{code-block}} python\n{OURS}```" in PAGE


def test_the_documented_range_of_langchain_is_the_one_of_the_package() -> None:
    (requirement,) = (r for r in PROJECT["dependencies"] if r.startswith("langchain-core"))
    floor = re.search(r">=([\d.]+)", requirement)
    assert floor is not None
    assert f"{floor[1]} and the newest" in PAGE
