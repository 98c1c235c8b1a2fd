from langchain_core.language_models import FakeListChatModel

from jupyter_ai_personas import BaseProvider


class AcmeProvider(BaseProvider, FakeListChatModel):
    id = "acme"
    name = "Acme"
    models = ["tortoise", "hare"]

    def __init__(self, model_id, **more):
        lines = {"tortoise": "Slow and steady wins the race.", "hare": "Not while I am awake."}
        super().__init__(model_id=model_id, responses=[lines[model_id]], sleep=0.02, **more)
