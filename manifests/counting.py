"""Numbers of things in words, for whatever a person reads."""


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 clip`, `2 clips`, `1,000 clips`; `plural` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
