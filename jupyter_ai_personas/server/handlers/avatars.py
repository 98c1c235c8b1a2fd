"""``GET avatars/<persona id>``: the image."""

from __future__ import annotations

import mimetypes
from pathlib import Path

import anyio.to_thread
from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.web import HTTPError

from jupyter_ai_personas.server.handlers.base import WORK_SECONDS, BaseHandler

__all__ = ["AvatarHandler"]

MAX_AVATAR = 1_000_000


class AvatarHandler(BaseHandler):
    """Serves the image of a persona's package or file; no path comes from the request."""

    @web.authenticated
    @authorized
    async def get(self, persona_id: str) -> None:
        """Answer the image."""
        runtime = await self.loaded()
        persona = runtime.personas.get(persona_id)
        if persona is None and runtime.local is not None:
            persona = runtime.local.find(persona_id)
        avatar = persona.avatar if persona is not None else None
        if avatar is None:
            raise HTTPError(404, "There is no such persona, or it has no avatar.")
        kind = mimetypes.guess_type(avatar.name)[0] or ""
        if not kind.startswith("image/"):
            raise HTTPError(404, "The persona's avatar is no image.")
        try:
            with self.within(WORK_SECONDS, "The persona's avatar cannot be read in time."):
                image = await anyio.to_thread.run_sync(_read, avatar, abandon_on_cancel=True)
        except OSError:
            raise HTTPError(404, "The persona's avatar cannot be read.") from None
        if len(image) > MAX_AVATAR:
            raise HTTPError(404, f"The persona's avatar is larger than {MAX_AVATAR:,} bytes.")
        # The image of a file may change at any time, that of a package with a new server only.
        seconds = 60 if persona is not None and persona.file else 3600
        self.set_header("Cache-Control", f"private, max-age={seconds}")
        # An SVG may hold scripts; as an image it runs none, opened by itself it must not either.
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(image, set_content_type=kind)


def _read(avatar: Path) -> bytes:
    """Return the file's first bytes, one more than may be, unless it has become a link."""
    if avatar.resolve() != avatar or not avatar.is_file():
        raise FileNotFoundError(avatar.name)
    with avatar.open("rb") as file:
        return file.read(MAX_AVATAR + 1)
