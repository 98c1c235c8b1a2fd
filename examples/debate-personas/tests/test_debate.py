from debate_personas import Optimist, Sceptic

from jupyter_ai_personas.runtime import RuntimeSettings
from jupyter_ai_personas.testing import PersonaContract


class TestOptimist(PersonaContract):
    persona = Optimist


class TestSceptic(PersonaContract):
    persona = Sceptic


async def test_they_answer_each_other_until_the_server_ends_it(persona_conversation):
    said = ["Yes.", "No.", "Yes!", "No!"]
    settings = RuntimeSettings(max_hops=2)
    async with persona_conversation(
        Optimist, Sceptic, model_replies=said, settings=settings
    ) as chat:
        await chat.ask("@Optimist is tea better than coffee?")
        names = {
            persona.id: name
            for name, persona in zip("OS", chat.runtime.personas.values(), strict=True)
        }
        talk = [
            (names[m.sender], m.body.split()[0]) for m in chat.chat.messages if m.sender in names
        ]
    assert talk == [("O", "Yes."), ("S", "No."), ("O", "Yes!")]
