"""`jupyter ai-personas new`: names, files, and that what it writes works as it is."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from jupyter_ai_personas.cli import main
from jupyter_ai_personas.cli.scaffold import KINDS, Kind, check_name
from jupyter_ai_personas.cli.scaffold.names import MAX_NAME
from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.personas.local.definition import parse

PACKAGES: tuple[Kind, ...] = ("persona", "provider", "toolset")
LONGEST = "m" * MAX_NAME


def files_in(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): file.read_text("utf-8")
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize(
    ("name", "package", "module", "cls", "title"),
    [
        ("my-reviewer", "my-reviewer", "my_reviewer", "MyReviewer", "My Reviewer"),
        ("my_reviewer", "my-reviewer", "my_reviewer", "MyReviewer", "My Reviewer"),
        ("Reviewer2", "reviewer2", "reviewer2", "Reviewer2", "Reviewer2"),
    ],
)
def test_the_names_of_the_parts_follow_from_one(
    name: str, package: str, module: str, cls: str, title: str
) -> None:
    names = check_name("persona", name)
    assert (names.package, names.module, names.cls, names.title) == (package, module, cls, title)


@pytest.mark.parametrize("kind", PACKAGES)
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "letters a-z"),
        (" ", "letters a-z"),
        ("my reviewer", "such as `my-reviewer`"),
        ("my.reviewer", "such as `my-reviewer`"),
        ("my--reviewer", "such as `my-reviewer`"),
        ("-reviewer", "such as `reviewer`"),
        ("réviseur", "such as `reviseur`"),
        ("数据", "letters a-z"),
        ("3d-plots", "such as `d-plots`"),
        ("../up", "such as `up`"),
        ("a/b", "such as `a-b`"),
        ("a\nb", "such as `a-b`"),
        ("$module", "such as `module`"),
        ("m" * (MAX_NAME + 1), f"{MAX_NAME} characters at most"),
        ("class", "a keyword of Python"),
        ("None", "a keyword of Python"),
        ("match", "a keyword of Python"),
        ("json", "Python has a module `json`"),
        ("test", "a module `test` can be imported"),
        ("tests", "its tests have that name"),
        ("anyio", "a package `anyio` is installed"),
        ("yaml", "a module `yaml` can be imported"),
        ("jupyter-ai-personas", "a package `jupyter-ai-personas` is installed"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_the_reason(kind: Kind, name: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        check_name(kind, name)


@pytest.mark.parametrize(
    ("kind", "name"), [("persona", "guide"), ("provider", "openai"), ("toolset", "notebook")]
)
def test_the_name_of_something_installed_is_refused(kind: Kind, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"has a {kind} `{name}`"):
        check_name(kind, name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a/b", "the name has a `/`"),
        (".hidden", "begins with a character of hidden files"),
        ("", "the name is empty"),
        ("@x", "has one of @"),
        ("readme", "is read as no persona"),
    ],
)
def test_a_markdown_persona_s_name_is_checked_too(name: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        check_name("markdown", name)


@pytest.mark.parametrize(
    ("name", "file", "title"),
    [
        ("researcher", "researcher.md", "Researcher"),
        ("data-analyst", "data-analyst.md", "Data Analyst"),
        ("Données 📊", "données-📊.md", "Données 📊"),
        ('The "Best"', 'the-"best".md', 'The "Best"'),
    ],
)
def test_a_markdown_persona_is_a_file_that_can_be_read(
    tmp_path: Path, name: str, file: str, title: str
) -> None:
    assert main(["new", "markdown", name, str(tmp_path)]) == 0
    parsed = parse((tmp_path / ".jupyter" / "personas" / file).read_text("utf-8"))
    assert parsed.definition is not None
    assert parsed.definition.name == title


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_overwritten(
    tmp_path: Path, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", kind, "my-thing", str(tmp_path)]) == 0
    before = files_in(tmp_path)
    for file in tmp_path.rglob("*.toml"):
        file.write_text("mine")
        before[file.relative_to(tmp_path).as_posix()] = "mine"
    assert main(["new", kind, "my-thing", str(tmp_path)]) == 1
    assert "is there already. Nothing was written." in capsys.readouterr().err
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_folder_of_that_name_is_left_alone(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "my-thing").mkdir()
    assert main(["new", kind, "my-thing", str(tmp_path)]) == 1
    assert files_in(tmp_path) == {}
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert main(["new", kind, "dangling", str(tmp_path)]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_that_is_no_folder_is_refused(
    tmp_path: Path, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["new", kind, "my-thing", str(tmp_path / "file")]) == 1
    assert "is no folder" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_shows_and_writes_nothing(
    tmp_path: Path, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", kind, "my-thing", str(tmp_path), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert files_in(tmp_path) == {}
    assert main(["new", kind, "my-thing", str(tmp_path)]) == 0
    for path, text in files_in(tmp_path).items():
        assert f"# {tmp_path / path}\n{text}" in shown


@pytest.mark.parametrize("kind", PACKAGES)
@pytest.mark.parametrize("name", ["a", "my-thing", LONGEST])
def test_a_package_is_formatted_and_linted(tmp_path: Path, kind: Kind, name: str) -> None:
    assert main(["new", kind, name, str(tmp_path)]) == 0
    place = tmp_path / name
    for command in (["check"], ["format", "--check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
            cwd=place,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stdout
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    [(group, points)] = project["entry-points"].items()
    assert list(points) == [name.replace("-", "_")]
    assert group in ("jupyter_ai.personas", "jupyter_ai.model_providers",
                     "jupyter_ai_personas.toolsets")  # fmt: skip
