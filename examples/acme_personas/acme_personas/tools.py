from langchain_core.tools import tool


@tool
def count_words(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


count_words.metadata = {"effect": "read"}


def acme() -> list:
    return [count_words]
