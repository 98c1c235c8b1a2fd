from jupyter_ai_personas import BasePersona, PersonaDefaults


class Echo(BasePersona):
    defaults = PersonaDefaults(
        name="Echo",
        description="Says again what it was told.",
        avatar_path="echo.svg",
    )

    async def process_message(self, message):
        await self.stream_message(f"{word} " for word in message.body.replace("@", "").split())
