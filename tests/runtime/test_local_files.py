"""Which files define personas, and how people hear what is wrong with one."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from local_rooms import problems, room, write


def test_names_of_editors_files_are_ignored(tmp_path: Path) -> None:
    place = write(tmp_path, "researcher").parent
    for name in (".#x.md", "~x.md", "x.md~", "#x.md#", "README.md", "notes.txt", ".hidden.md"):
        (place / name).write_text("nothing")
    assert anyio.run(problems, tmp_path) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"---\nname: A\n---\n\xff\xfe", "line 4: it is not UTF-8 text"),
        ("---\nname: A\n---\n".encode("utf-16"), "line 1: it is not UTF-8 text"),
        (b"---\nname: A\n---\n" + b"x" * 100_001, "it is larger than 100,000 bytes"),
        (b"", "line 1: it must begin with its front matter"),
        (
            b"---\nname: A\n---\n-----BEGIN RSA PRIVATE KEY-----\n",
            "it contains a private key",
        ),
        (b"---\nname: A\navatar: http://evil/x.png\n---\n", "line 3: the avatar must be a file"),
        (
            b"---\nname: A\navatar: /etc/passwd\n---\n",
            "line 3: the avatar `/etc/passwd` must be an",
        ),
        (b"---\nname: A\navatar: none.png\n---\n", "line 3: the avatar `none.png` does not exist"),
        (b"---\nname: A\navatar: ../../../x.png\n---\n", "lies outside of the folder"),
    ],
)
async def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    root = tmp_path / "root"
    place = write(root, "good").parent
    (tmp_path / "x.png").write_bytes(b"")
    (place / "bad.md").write_bytes(content)
    [problem] = await problems(root)
    assert problem.startswith(".jupyter/personas/bad.md, ")
    assert told in problem


async def test_of_very_many_files_the_first_are_read(tmp_path: Path) -> None:
    for number in range(60):
        write(tmp_path, f"p{number:02}")
    async with room(tmp_path) as here:
        assert len(here.offered) == 50
        told = await here.one("@p50 hi")
        assert "`.jupyter/personas/p50.md` cannot be used: it is not read" in told.body


async def test_links_that_lead_out_of_the_root_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    outside = write(tmp_path / "outside", "spy")
    place = write(root, "good").parent
    (place / "spy.md").symlink_to(outside)
    (place / "dangling.md").symlink_to(tmp_path / "nowhere.md")
    (root / ".env.md").write_text("---\nname: Secret\n---\n")
    (place / "secret.md").symlink_to(root / ".env.md")
    (place / "loop.md").symlink_to(place / "loop.md")
    (place / "folder.md").mkdir()
    os.mkfifo(place / "pipe.md")
    told = await problems(root)
    assert len(told) == 6, told
    assert sum("a link leads out of the server's root" in one for one in told) == 3
    assert sum("it is no ordinary file" in one for one in told) == 2


async def test_a_folder_that_is_a_link_out_of_the_root_defines_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    write(tmp_path / "outside", "spy")
    (root / ".jupyter").symlink_to(tmp_path / "outside" / ".jupyter")
    async with room(root) as here:
        assert here.offered == []
    (root / "linked").symlink_to(tmp_path / "outside")
    async with room(root, path="linked/notes.chat") as here:
        assert here.offered == []


async def test_a_link_inside_the_root_is_followed(tmp_path: Path) -> None:
    place = write(tmp_path, "writer").parent
    (tmp_path / "shared.md").write_text("---\nname: Shared\n---\nHello.")
    (place / "shared.md").symlink_to(tmp_path / "shared.md")
    async with room(tmp_path) as here:
        assert here.offered == ["Shared", "Writer"]


async def test_a_faulty_file_is_told_of_when_it_is_mentioned(tmp_path: Path) -> None:
    write(tmp_path, "researcher", tols="[workspace]")
    async with room(tmp_path) as here:
        assert (await here.one("@Echo hi")).body == "echo @Echo hi"
        assert here.chat.notices() == []
        told = await here.one("@Researcher hi")
        assert (
            "`.jupyter/personas/researcher.md` cannot be used: line 3: there is no key" in told.body
        )
        assert "did you mean `tools`?" in told.body


async def test_a_file_whose_name_cannot_be_read_is_told_of_once(tmp_path: Path) -> None:
    write(tmp_path, "notes", name="'x").write_text("---\nname: [\n---\n")
    async with room(tmp_path, default_persona="Echo") as here:
        told = await here.one("@Researcher hi")
        assert "line 2: it is no valid YAML" in told.body
        [echo] = await here.ask("@Researcher hi")
        assert echo.body == "echo @Researcher hi"
        # A mention of a person has nothing to do with it.
        here.chat.person("Ben")
        assert await here.ask("@Ben hi") == []
        assert len(here.chat.notices()) == 1


async def test_a_broken_edit_keeps_the_version_before(tmp_path: Path) -> None:
    write(tmp_path, "researcher", body="first version")
    async with room(tmp_path) as here:
        await here.one("@Researcher 1")
        file = here.write("researcher", body="second version", max_hops="many")
        answer, told = sorted(await here.ask("@Researcher 2"), key=lambda m: m.sender)
        assert "first version" in str(here.model.prompts[-1][0].content)
        assert answer.state == "done"
        assert "has a mistake: line 3: `max_hops` must be a whole number" in told.body
        assert "The version before is in use." in told.body
        await here.one("@Researcher 3")  # told once
        here.write("researcher", body="third version")
        await here.one("@Researcher 4")
        assert "third version" in str(here.model.prompts[-1][0].content)
        file.unlink()
        assert await here.ask("@Researcher 5") == []
        assert here.offered == []
