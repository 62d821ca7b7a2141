"""Where workers post news and the driver reads them.

A module of its own: the board's process then imports neither PyTorch nor what trains.
"""

from typing import Any


class NewsBoard:
    """Where workers post news and the driver reads them; an actor of its own."""

    def __init__(self) -> None:
        self._news: list[dict[str, Any]] = []
        self._fatal: str | None = None

    def post(self, news: dict[str, Any]) -> None:
        """Add news; a "fatal" one says that going on makes no sense."""
        self._fatal = self._fatal or news.get("fatal")
        self._news.append(news)

    def take(self) -> list[dict[str, Any]]:
        """The news since the last call."""
        news, self._news = self._news, []
        return news

    def fatal(self) -> str | None:
        """Why the run cannot go on, if so."""
        return self._fatal
