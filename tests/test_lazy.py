"""The packages that tests load late are the installed ones."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_a_format_is_checked_by_the_package_that_is_loaded_for_it() -> None:
    code = (
        "import sys, jsonschema\n"
        "before = 'lark' in sys.modules\n"
        "checker = jsonschema.Draft202012Validator.FORMAT_CHECKER\n"
        "print(before, [checker.conforms(iri, 'iri') for iri in ('http://a.b/ä', 'a b')])\n"
        "import rfc3987_syntax\n"
        "print('lark' in sys.modules, rfc3987_syntax.parse.__module__)"
    )
    assert run(code).splitlines() == [
        "False [True, False]",
        "True rfc3987_syntax.syntax_helpers",
    ]
