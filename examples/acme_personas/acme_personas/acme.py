from langchain_core.language_models import FakeListChatModel

from jupyter_ai_personas import BaseProvider


class AcmeProvider(BaseProvider, FakeListChatModel):
    id = "acme"
    name = "Acme"
    help = "Needs no key: its models know their lines by heart."
    models = ["tortoise", "hare"]
    responses: list[str] = ["Slow and steady wins the race.", "Not while I am awake."]
    sleep: float | None = 0.02
