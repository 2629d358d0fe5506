"""What is wrong with a configuration, said in one line with the nearest valid names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConfigError(Exception):
    """A configuration that cannot be used; its text is one line that says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def nearest_first(word: str, known: Iterable[str]) -> list[str]:
    """The known names, the most similar to `word` first."""
    return sorted(known, key=lambda name: -_similarity(word, name))


def unknown(what: str, word: str, known: Iterable[str], *, listed_as: str, prefix: str = "") -> str:
    """One line such as "unknown key 'sead'; did you mean 'seed'? keys here: seed, ...", the nearest name first."""
    names = nearest_first(word, known)
    said = f"unknown {what} '{prefix}{word}'"
    if not names:
        return f"{said}: there are no {listed_as}"
    likely = _similarity(word, names[0]) >= 0.5
    guess = f"did you mean '{prefix}{names[0]}'? " if likely else ""
    return f"{said}; {guess}{listed_as}: {', '.join(names)}"


def _similarity(word: str, name: str) -> float:
    return difflib.SequenceMatcher(None, word.lower(), name.lower()).ratio()
