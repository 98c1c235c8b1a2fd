from threading import Event

from slow_library import Simulator, estimate_pi

from jupyter_ai_personas.testing import PersonaContract


class TestSimulator(PersonaContract):
    persona = Simulator


async def test_it_tells_how_far_it_is(persona_conversation):
    async with persona_conversation(Simulator) as chat:
        [reply] = await chat.ask("how much is it?")
        told = [text for _, text in chat.chat.status_log if text]
    assert reply.body.startswith("π is about 3.1")
    assert "has thrown 100,000 points" in told


def test_the_library_ends_soon_after_a_stop():
    stopped = Event()
    told = []

    def report(text):
        told.append(text)
        stopped.set()

    estimate_pi(10**9, stopped, report)
    assert told == ["has thrown 10,000 points"]
