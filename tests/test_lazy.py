"""A package that is slow to import is loaded when it is used: by the product, and by tests."""

from __future__ import annotations

import os
import subprocess
import sys

from support import lazy


def run(code: str, *, late: bool = True) -> str:
    """Return what the code prints, where the tests load packages ``late`` or not."""
    env = dict(os.environ)
    if not late:
        paths = env["PYTHONPATH"].split(os.pathsep)
        env["PYTHONPATH"] = os.pathsep.join(path for path in paths if path != lazy.FOLDER)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
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


def test_mcp_is_imported_without_the_grammar_of_iris_and_checks_them_all_the_same() -> None:
    code = (
        "import sys\n"
        "from jupyter_ai_personas.iri_grammar import deferred_iri_grammar\n"
        "with deferred_iri_grammar():\n"
        "    from langchain_mcp_adapters.sessions import create_session\n"
        "print('jsonschema' in sys.modules, 'lark' in sys.modules)\n"
        "from jsonschema import Draft202012Validator\n"
        "checker = Draft202012Validator.FORMAT_CHECKER\n"
        "print([checker.conforms(iri, 'iri') for iri in ('http://a.b/ä', 'a b')])\n"
        "print('lark' in sys.modules)"
    )
    assert run(code, late=False).splitlines() == ["True False", "[True, False]", "True"]
