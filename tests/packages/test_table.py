"""The table of persona packages in the docs has exactly those that are tested here."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from packages import jupyternaut, test_acp_client, test_claude_code, test_unpublished

ROWS = Path(__file__).parents[2] / "docs" / "packages" / "personas.csv"


def test_each_row_is_a_package_that_a_test_installs_and_the_reverse() -> None:
    with ROWS.open(encoding="utf-8", newline="") as file:
        rows = {row["Package"].replace(" ", "=="): row for row in csv.DictReader(file)}
    tested = {
        test_acp_client.ACP_CLIENT: [],
        test_acp_client.ACP_HUB: [],
        test_claude_code.PACKAGES[0]: test_claude_code.PACKAGES[1:],
        jupyternaut.PACKAGES[0]: jupyternaut.PACKAGES[1:],
    }
    built = {package.replace(" ", "==") for package in test_unpublished.PACKAGES}
    built.add(test_acp_client.HERMES)
    assert all("after its interface" in rows[package]["Notes"] for package in built)
    assert rows.keys() == tested.keys() | built
    for package, needs in tested.items():
        for need in needs:
            assert f"`{re.split('[<>=]', need)[0]}`" in rows[package]["What it needs"]
        assert rows[package]["Answers"] == "yes"
