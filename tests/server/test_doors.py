"""Every REST route refuses who may not come in, and bounds what comes in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import pytest_asyncio
from pycrdt import Map
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.server import AiExtension
from jupyter_ai_personas.server.handlers import HANDLERS

pytestmark = pytest.mark.server

GUIDE = "jupyter-ai-personas::jupyter_ai_personas::Guide"
ROUTES = [
    ("GET", "/api/ai/personas"),
    ("GET", "/api/ai/model_providers"),
    ("GET", f"/api/ai/avatars/{GUIDE}"),
    ("POST", "/api/ai/personas/cancel?chat_path=a.chat"),
    ("POST", "/api/ai/message/Guide"),
    ("GET", "/api/ai/search?q=honey"),
    ("GET", "/api/ai/help/start"),
    ("GET", "/api/ai/toolsets"),
    ("GET", "/api/ai/commands?chat_path=a.chat"),
    ("PUT", "/api/ai/models?chat_path=a.chat&persona_id=Guide"),
    ("POST", "/api/ai/feedback?chat_path=a.chat"),
    ("GET", "/api/ai/approvals"),
    ("GET", "/api/ai/approvals/a"),
    ("POST", "/api/ai/approvals/a"),
    ("POST", "/api/ai/turns/t/cancel"),
    ("POST", "/api/ai/turns/t/retry"),
]
AUTHORIZER = """
from jupyter_server.auth import Authorizer


class Denies(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "jupyter_ai_personas"
"""


METHODS = ("get", "head", "post", "put", "patch", "delete")


def test_these_are_all_routes_that_there_are() -> None:
    extension = AiExtension()
    extension.initialize_handlers()
    assert extension.handlers == HANDLERS
    served = {
        (method.upper(), pattern)
        for pattern, handler in HANDLERS
        for method in METHODS
        if method in vars(handler)
    }
    tested = {
        (method, pattern)
        for method, route in ROUTES
        for pattern, _ in HANDLERS
        if re.fullmatch(pattern, route.partition("?")[0])
    }
    assert served == tested


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    """A server with the package of this module, for all tests that need no other."""
    directory = tmp_path_factory.mktemp("doors")
    packages = install(directory / "packages")
    async with JupyterServer(directory / "server", pythonpath=[packages]) as server:
        yield server


def packages_of(server: JupyterServer) -> Path:
    return server.directory.parent / "packages"


@pytest.mark.parametrize("method", [method.upper() for method in METHODS])
@pytest.mark.parametrize("route", [route for _, route in ROUTES])
async def test_a_stranger_is_refused(server: JupyterServer, method: str, route: str) -> None:
    response = await server.request(method, route, authenticated=False, json={"message": "hi"})
    # A method that there is none of may be refused for that.
    assert response.status_code == 403 or (method, route) not in ROUTES
    assert response.status_code in (403, 405)
    assert "Traceback" not in response.text


@pytest.mark.parametrize(("method", "route"), ROUTES)
async def test_a_body_that_is_too_long_is_refused(
    server: JupyterServer, method: str, route: str
) -> None:
    response = await server.request(method, route, content=b"x" * 1_000_001)
    assert response.status_code == 413
    assert set(response.json()) == {"message"}
    response = await server.request(method, route, content=b"x" * 1_000_001, authenticated=False)
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("POST", "/api/ai/personas/cancel"),
        ("POST", "/api/ai/personas/cancel?chat_path=" + "x" * 20_000),
        ("POST", "/api/ai/personas/cancel?chat_path=a%00b"),
        ("POST", "/api/ai/personas/cancel?chat_path=..%2f..%2fetc%2fpasswd"),
        ("POST", "/api/ai/personas/cancel?chat_path=%ff%fe"),
        ("POST", "/api/ai/personas/cancel?chat_path=a.chat&persona_id=%00"),
        ("POST", "/api/ai/message/%00"),
        ("POST", "/api/ai/message/..%2f..%2fGuide"),
        ("POST", "/api/ai/message/" + "x" * 20_000),
        ("GET", "/api/ai/avatars/" + "x" * 20_000),
        ("GET", "/api/ai/avatars/%ff"),
        ("GET", "/api/ai/approvals/" + "x" * 20_000),
        ("GET", "/api/ai/approvals/%ff"),
        ("POST", "/api/ai/approvals/a"),
        ("POST", "/api/ai/turns/%00/cancel"),
        ("POST", "/api/ai/turns/unknown/retry"),
        ("PUT", "/api/ai/models"),
        ("PUT", "/api/ai/models?chat_path=a.chat"),
        ("PUT", "/api/ai/models?chat_path=a.chat&persona_id=%00"),
        ("PUT", "/api/ai/models?chat_path=..%2fa.chat&persona_id=Guide"),
        ("GET", "/api/ai/search"),
        ("GET", "/api/ai/search?q=%20%20"),
        ("GET", "/api/ai/search?q=%ff"),
        ("GET", "/api/ai/search?q=" + "x" * 1_001),
        ("GET", "/api/ai/search?q=x&limit=0"),
        ("GET", "/api/ai/search?q=x&limit=51"),
        ("GET", "/api/ai/search?q=x&limit=-1"),
        ("GET", "/api/ai/search?q=x&limit=many"),
        ("GET", "/api/ai/search?q=x&limit=%C2%B2"),
        ("GET", "/api/ai/search?q=x&limit=" + "9" * 9_000),
    ],
)
async def test_odd_addresses_are_errors_of_the_caller(
    server: JupyterServer, method: str, route: str
) -> None:
    response = await server.request(method, route, json={"message": "hi"})
    assert response.status_code in (400, 404)
    assert set(response.json()) == {"message"}
    assert not server.lines("Uncaught exception")


async def test_who_is_not_authorized_is_refused_everywhere(tmp_path: Path) -> None:
    package = make_plugin(tmp_path / "packages", "denying", {"__init__.py": AUTHORIZER}, {})
    config = {"ServerApp.authorizer_class": "denying.Denies"}
    async with JupyterServer(tmp_path / "server", config=config, pythonpath=[package]) as server:
        assert (await server.get("/api/contents"))[0] == 200
        for method, route in ROUTES:
            response = await server.request(method, route, json={"message": "hi"})
            assert response.status_code == 403, route


async def test_no_file_of_the_workspace_becomes_a_persona_or_is_run(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path / "server")
    proof = tmp_path / "was-run"
    code = f"""
from pathlib import Path
Path({str(proof)!r}).touch()
from jupyter_ai_personas import BasePersona, PersonaDefaults

class Planted(BasePersona):
    defaults = PersonaDefaults(name="Planted")
"""
    for folder in (".", ".jupyter", ".jupyter/personas", "personas"):
        place = server.root_dir / folder
        place.mkdir(parents=True, exist_ok=True)
        for name in ("planted.py", "planted_persona.py", "persona.py", "__init__.py"):
            (place / name).write_text(code, encoding="utf-8")
        (place / "planted.md").write_text("---\nname: Planted\n---\nYou are.", encoding="utf-8")
    async with server:
        await server.wait_for_log("Registered persona `Guide`")
        told = (await server.request("GET", "/api/ai/personas")).json()["personas"]
        assert [persona["name"] for persona in told] == ["Guide"]
        response = await server.request("POST", "/api/ai/message/Planted", json={"message": "hi"})
        assert response.status_code == 404
    assert not proof.exists()


async def test_a_cookie_without_its_xsrf_token_writes_nothing(server: JupyterServer) -> None:
    # A page, be it that nothing is there, logs in and sets the token's cookie.
    page = await server.request("GET", f"/nowhere?token={server.token}", authenticated=False)
    cookies = "; ".join(h.partition(";")[0] for h in page.headers.get_list("set-cookie"))
    for method, route in ROUTES:
        response = await server.request(
            method, route, authenticated=False, headers={"Cookie": cookies}, json={"message": "x"}
        )
        # A page of somebody else's cannot read what is answered, but it may not cause anything.
        # The search may still be starting.
        missing = route == "/api/ai/approvals/a"
        found = (404,) if missing else (200, 503) if "search" in route else (200,)
        answered = found if method == "GET" else (403,)
        assert response.status_code in answered, route
        assert method == "GET" or "_xsrf" in response.text
        token = re.search(r"_xsrf=([^;]+)", cookies)
        assert token is not None
        headers = {"Cookie": cookies, "X-XSRFToken": token[1]}
        response = await server.request(
            method, route, authenticated=False, headers=headers, json={"message": "x"}
        )
        assert response.status_code != 403, route


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[", 400),
        (b"[]", 400),
        (b'{"message": 5}', 400),
        (b"[" * 100_000, 400),
        (b'{"message": "' + b"x" * 300_000 + b'"}', 413),
        (b"x" * 1_000_001, 413),
    ],
    ids=["empty", "cut", "list", "number", "deep", "long", "big"],
)
async def test_bad_input_is_an_error_of_the_caller(
    server: JupyterServer, body: bytes, status: int
) -> None:
    response = await server.request("POST", "/api/ai/message/Guide", content=body)
    assert response.status_code == status
    assert set(response.json()) == {"message"}


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "..", "a%00b", GUIDE + "%2f..%2f.."]
)
async def test_no_path_of_a_request_reaches_a_file(server: JupyterServer, name: str) -> None:
    response = await server.request("GET", f"/api/ai/avatars/{name}")
    assert response.status_code in (400, 404)
    assert "root:" not in response.text


# -- avatars and attachments -------------------------------------------------------------------

SECRET = "root:x:0:0: of another folder"
AVATARS = {
    # name → what its author gives as `avatar_path`, and whether that is to be served
    "Plain": ("plain.svg", True),
    "Inside": ("inside.svg", True),
    "Outside": ("outside.svg", False),
    "Up": ("../secret.svg", False),
    "Folder": ("folder/../../secret.svg", False),
    "Absolute": ("{secret}", False),
    "Null": ("plain.svg\\0.png", False),
    "Directory": ("folder", False),
    "Loop": ("loop.svg", False),
    "Encoded": ("%2e%2e/secret.svg", False),
    "Text": ("__init__.py", False),
    "Later": ("later.svg", True),
}
PERSONAS = """
from pathlib import Path

from jupyter_ai_personas import BasePersona, PersonaDefaults


class Reads(BasePersona):
    defaults = PersonaDefaults(name="Reads")

    async def process_message(self, message):
        for attachment in self.attachments():
            file = (self.get_workspace_dir() or Path()) / attachment.path
            self.send_message("I read " + file.read_text())


class Good(BasePersona):
    defaults = PersonaDefaults(name="Good")

    async def process_message(self, message):
        self.send_message("Good day")
"""


def install(directory: Path) -> Path:
    """Write a package whose personas have all kinds of avatars; return what to import from."""
    secret = directory / "secret.svg"
    source = PERSONAS + "".join(
        f"""

class {name}(Good):
    defaults = PersonaDefaults(name="{name}", avatar_path="{path.format(secret=secret)}")
"""
        for name, (path, _) in AVATARS.items()
    )
    points = {name.lower(): f"doors:{name}" for name in (*AVATARS, "Reads", "Good")}
    make_plugin(
        directory,
        "doors",
        {"__init__.py": source, "plain.svg": "<svg/>", "later.svg": "<svg/>", "folder/a.svg": ""},
        {"jupyter_ai.personas": points},
    )
    secret.write_text(SECRET)
    package = directory / "doors"
    (package / "inside.svg").symlink_to("plain.svg")
    (package / "outside.svg").symlink_to(secret)
    (package / "loop.svg").symlink_to("loop.svg")
    return directory


async def test_avatars_stay_in_their_package(server: JupyterServer) -> None:
    packages = packages_of(server)
    _, listed = await server.get("/api/ai/personas")
    urls = {row["name"]: row["avatar_url"] for row in listed["personas"]}
    for name, (_, served) in AVATARS.items():
        route = f"/api/ai/avatars/jupyter-ai-personas::doors::{name}"
        response = await server.request("GET", route)
        assert response.status_code == (200 if served else 404), name
        assert SECRET not in response.text
        assert name == "Text" or (urls[name] is not None) == served
        if served:
            assert response.headers["content-type"].startswith("image/")
            assert "default-src 'none'" in response.headers["content-security-policy"]
            assert response.headers["x-content-type-options"] == "nosniff"
    later = packages / "doors" / "later.svg"
    later.unlink()
    later.symlink_to(packages / "secret.svg")
    route = "/api/ai/avatars/jupyter-ai-personas::doors::Later"
    assert (await server.request("GET", route)).status_code == 404
    later.unlink()
    later.write_text("x" * 1_000_001)
    assert (await server.request("GET", route)).status_code == 404


async def ask(client: ChatClient, path: str) -> str:
    """Attach ``path``, whatever it is, and let it be read."""
    attachments: Map[object] = client.doc.get("attachments", type=Map)
    attachments["of the test"] = {"value": path, "type": "file"}
    asked = client.post("@Reads this", attachments=["of the test"])
    replied = await client.wait_for(
        lambda me: me.replies(asked, "Reads", "done") or me.replies(asked, "Reads", "failed")
    )
    body: str = replied[0]["body"]
    return body


async def test_attachments_lie_below_the_root(server: JupyterServer) -> None:
    packages = packages_of(server)
    secret = packages / "secret.svg"
    async with ChatClient(server, "a.chat", "Ada") as ada:
        root = server.root_dir
        (root / "folder").mkdir()
        (root / "folder" / "plain.txt").write_text("something plain")
        (root / "inside").symlink_to("folder")
        (root / "outside").symlink_to(packages)
        (root / "file").symlink_to(secret)
        for path in ("folder/plain.txt", "./folder/plain.txt", "inside/plain.txt"):
            assert await ask(ada, path) == "I read something plain"
        for path in (
            str(secret),
            f"../../packages/{secret.name}",
            f"folder/../../../packages/{secret.name}",
            "folder/../folder/plain.txt",
            f"outside/{secret.name}",
            "file",
            "folder/plain.txt\0.png",
            "/etc/passwd",
            "\\\\server\\share",
            "..\\..\\x",
            "",
        ):
            told = await ask(ada, path)
            assert "cannot be read" in told, path
            assert SECRET not in told
            assert str(packages.parent) not in told
        # What is no path at all is a file that is not there.
        for path in ("%2e%2e/secret.svg", "..%2f..%2fsecret.svg"):
            assert "failed with `FileNotFoundError`" in await ask(ada, path)
        await ada.wait_for_reply(ada.post("@Good are you there?"), "Good")


CONTENTS = """
from datetime import datetime, timezone

from jupyter_server.services.contents.manager import ContentsManager
from tornado.web import HTTPError

FILES, SAVED = {}, {}


class Memory(ContentsManager):
    # Files that are in no directory.

    def _model(self, path, content):
        saved = SAVED.setdefault(path, datetime.now(timezone.utc))
        return {
            "name": path.rpartition("/")[2], "path": path, "type": "file", "writable": True,
            "format": "text" if content else None, "mimetype": None, "created": saved,
            "last_modified": saved, "content": FILES[path] if content else None, "size": 1,
            "hash": None, "hash_algorithm": None,
        }

    def get(self, path, content=True, type=None, format=None, require_hash=False):
        path = path.strip("/")
        if path not in FILES:
            raise HTTPError(404, "no such file")
        return self._model(path, content)

    def save(self, model, path):
        path = path.strip("/")
        FILES[path] = model["content"]
        SAVED[path] = datetime.now(timezone.utc)
        return self._model(path, False)

    def file_exists(self, path=""):
        return path.strip("/") in FILES

    def dir_exists(self, path):
        return path.strip("/") == ""

    def is_hidden(self, path):
        return False

    def delete_file(self, path):
        del FILES[path.strip("/")]

    def rename_file(self, old, new):
        FILES[new.strip("/")] = FILES.pop(old.strip("/"))
"""


async def test_contents_that_are_no_files_open_no_door_and_break_nothing(tmp_path: Path) -> None:
    packages = install(tmp_path / "packages")
    make_plugin(packages, "memory_contents", {"__init__.py": CONTENTS}, {})
    config = {"ServerApp.contents_manager_class": "memory_contents.Memory"}
    server = JupyterServer(tmp_path / "server", config=config, pythonpath=[packages])
    async with server:
        # What lies in the directory that the server runs in is nobody's content.
        (server.root_dir / "plain.txt").write_text(SECRET)
        new = {"type": "file", "format": "text", "content": "{}"}
        assert (await server.put("/api/contents/a.chat", json=new))[0] == 201
        async with ChatClient(server, "a.chat", "Ada") as ada:
            told = await ask(ada, "plain.txt")
            assert "does not keep its contents as files" in told
            answer = await ada.wait_for_reply(ada.post("@Good are you there?"), "Good")
            with anyio.fail_after(60):
                while "Good day" not in str(await server.get("/api/contents/a.chat?content=1")):
                    await anyio.lowlevel.checkpoint()
        assert answer["body"] == "Good day"
        assert await server.terminate() == 0
        assert not server.lines("Traceback")
    # The client of these tests puts a file there, too.
    assert (server.root_dir / "a.chat").read_text() == "{}"
