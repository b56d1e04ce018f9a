"""What is wrong with what was sent: all of it, at once."""

from collections.abc import Iterable, Mapping


class Problems(ValueError):
    """One or more things that make a call impossible; each message names the field, the value and what would do."""

    def __init__(self, messages: Iterable[str]) -> None:
        self.messages = list(messages)
        super().__init__("; ".join(self.messages))


def flatten(messages: object) -> list[str]:
    """The texts of marshmallow's nested messages, in order."""
    if isinstance(messages, str):
        return [messages]
    nested = messages.values() if isinstance(messages, Mapping) else messages
    assert isinstance(nested, Iterable)
    return [text for each in nested for text in flatten(each)]
