"""Secret-like files, by name, by place and by content, are told from all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_ai_personas.context.privacy import confined, holds_private_key, is_secret


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".env.local",
        ".ENV",
        "deploy/.envrc",
        "server.pem",
        "Server.PEM",
        "tls/server.key",
        "id_rsa",
        "id_ed25519.pub",
        "cert.p12",
        "home/.netrc",
        ".npmrc",
        ".pypirc",
        "credentials.json",
        "Credentials",
        "gcp/credentials-prod.yaml",
        "secrets.toml",
        "secrets/readme.md",
        ".git/config",
        "vendored/.git/hooks/commit-msg",
        ".ssh/known_hosts",
        ".aws/config",
        "a\\.ssh\\config",
        ".env ",
        "server.key.",
    ],
)
def test_secret_like_paths_are_known(path: str) -> None:
    assert is_secret(path)


@pytest.mark.parametrize(
    "path",
    [
        "environment.yml",
        "notes/keys.md",
        "my.env.md",
        "identity.py",
        "monkey",
        "docs/secretary.md",
        "the credentials.md",
        ".gitignore",
        ".github/workflows/ci.yml",
        "",
    ],
)
def test_other_paths_are_not(path: str) -> None:
    assert not is_secret(path)


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_is_known_by_its_text(kind: str) -> None:
    assert holds_private_key(f"notes\n-----BEGIN {kind}PRIVATE KEY-----\nMIIE\n")


def test_a_public_key_is_no_private_one() -> None:
    assert not holds_private_key("-----BEGIN PUBLIC KEY-----\nMIIE\n")


def test_a_path_is_confined_to_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "inside").mkdir(parents=True)
    (root / "inside" / "a.md").write_text("a")
    (tmp_path / "outside.md").write_text("b")
    (root / "out.md").symlink_to(tmp_path / "outside.md")
    (root / "up").symlink_to(tmp_path)
    (root / "in.md").symlink_to(root / "inside" / "a.md")
    (root / ".env").write_text("KEY=1")
    (root / "plain.txt").symlink_to(root / ".env")
    (root / "loop").symlink_to(root / "loop")

    assert confined(root, "inside/a.md") == root / "inside" / "a.md"
    assert confined(root, "/inside/a.md") == root / "inside" / "a.md"
    assert confined(root, "in.md") == root / "inside" / "a.md"
    assert confined(root, "new/file.md") == root / "new" / "file.md"
    assert confined(root, "") == root
    for path in ("out.md", "up/outside.md", "../outside.md", "inside/../../outside.md", "\0"):
        assert confined(root, path) is None
    for path in (".env", "plain.txt", "inside/id_rsa", "inside/../.env"):
        assert confined(root, path) is None


def test_a_root_that_is_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert confined(tmp_path / "link", "a.md") == tmp_path / "real" / "a.md"
