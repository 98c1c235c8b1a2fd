"""``GET personas``: the personas, including broken ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.web import HTTPError

from jupyter_ai_personas.errors import AttachmentError
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.server.handlers.base import BaseHandler

if TYPE_CHECKING:
    from jupyter_ai_personas.discovery import Broken
    from jupyter_ai_personas.personas import LocalProblem, Persona, Personas

__all__ = ["PersonasHandler"]


def checked(path: str) -> str:
    """Return the path of a chat; 400 if it lies nowhere below the root."""
    from jupyter_ai_personas.context.local import checked_path

    try:
        return checked_path(path)
    except AttachmentError as error:
        raise HTTPError(400, "`chat_path`: %s", str(error)) from None


class PersonasHandler(BaseHandler):
    """Lists personas."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"personas": […]}``; with ``?chat_path=``, local ones of that chat as well."""
        runtime = await self.loaded()
        path = self.get_query_argument("chat_path", None)
        personas: Personas = runtime.personas
        if path is not None:
            path = checked(path)
            personas = await runtime.personas_at(path)
        kept = {one.persona_id: one for one in personas.problems if one.persona_id is not None}
        ready = [self._ready(one, kept.get(one.id), path or "") for one in personas.values()]
        broken = [_broken(entry) for entry in personas.broken]
        faulty = [_faulty(one) for one in personas.problems if one.persona_id is None]
        self.finish(json.dumps({"personas": [*ready, *broken, *faulty]}))

    def _ready(self, persona: Persona, faulty: LocalProblem | None, path: str) -> dict[str, Any]:
        model, problem = self.runtime.model_of(persona, path)
        own = self.runtime.own_models(persona, path)
        if faulty is not None:
            problem = " ".join(filter(None, [str(faulty), problem]))
        own_models = [{"id": id_, "name": name} for id_, name in (own or {}).items()]
        more = {} if own is None else {"own_models": own_models}
        return {
            "id": persona.id,
            "name": persona.name,
            "mention_name": persona.mention_name,
            "description": persona.description,
            "avatar_url": self.runtime.avatar_url(persona),
            "model": model,
            "tools": self.runtime.tools.wanted(persona),
            "source": persona.source,
            "status": "ready",
            "problem": for_people(problem) or None,
            **more,
        }


def _broken(entry: Broken) -> dict[str, Any]:
    status = "broken" if entry.is_fault else "unavailable"
    return _unusable(entry.name, entry.distribution, f"{entry.error}. {entry.fix}.", status)


def _faulty(problem: LocalProblem) -> dict[str, Any]:
    from jupyter_ai_personas.personas.local import SOURCE

    return _unusable(problem.name or problem.stem, SOURCE, str(problem))


def _unusable(name: str, source: str, problem: str, status: str = "broken") -> dict[str, Any]:
    return {
        "id": None,
        "name": name,
        "mention_name": None,
        "description": "",
        "avatar_url": None,
        "model": None,
        "tools": [],
        "source": source,
        "status": status,
        "problem": for_people(problem),
    }
