"""Sources that need not be hashed again: their size and time, or their ETag, are what they were."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from manifests.content_ids import label
from manifests.glance import Glance, glance_at
from manifests.location import Where
from manifests.seen import Seen, Sighting
from manifests.store import Session
from pipeline.ingest.sources import Source
from pipeline.ingest.steps import Identified

_AT_ONCE = 16
"""Looks at files: of an object store's, or a network's, most is waiting."""
_WAITING = 4096
"""Looks that are asked for together."""


class Unchanged:
    """What earlier ingests saw of the sources, and what this one sees."""

    def __init__(
        self, session: Session, sources: Sequence[Source], *, verify: bool = False
    ) -> None:
        self._session, self._verify, self._sources = session, verify, sources
        self._seen = Seen(session.dataset, (label(source.path) for source in sources))
        self._now: dict[Where, Glance | None] = {}
        """Of sources of which no listing says it."""
        self._new: dict[str, Sighting] = {}

    def look(self) -> int:
        """See what the sources are like now; their bytes altogether. Nothing of them is read."""
        paths = [source.path for source in self._sources if source.glance is None]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for begin in range(0, len(paths), _WAITING):
                some = paths[begin : begin + _WAITING]
                self._now |= zip(some, pool.map(_look, some), strict=True)
        looks = map(self._look_of, self._sources)
        return sum(now.size for now in looks if now is not None)

    def known(self, sources: Sequence[Source]) -> list[Identified | None]:
        """What hashing each source would give, where it is as it was when it was hashed."""
        found: list[Identified | None] = []
        before = self._seen.of([label(source.path) for source in sources])
        for source, then in zip(sources, before, strict=True):
            now = self._look_of(source)
            if self._verify or now is None or then is None or now.mark != then.mark:
                found.append(None)
            else:
                found.append(Identified(then.video, now.size, now.stamp))
        return found

    def note(self, source: Source, found: Identified) -> None:
        """A source was hashed, after it was looked at."""
        now = self._look_of(source)
        if now is not None and now.mark is not None and now.stamp == found.stamp:
            self._new[label(source.path)] = Sighting(now.mark, found.video_id)

    def keep(self) -> None:
        """Write what was noted since the last time, so that a kill loses little of it."""
        self._seen.note(self._new)
        self._seen.keep(self._session)
        self._new.clear()

    def finish(self) -> None:
        """Make one part of all."""
        self.keep()
        self._seen.unite(self._session)

    def _look_of(self, source: Source) -> Glance | None:
        return source.glance or self._now.get(source.path)


def _look(path: Where) -> Glance | None:
    try:
        return glance_at(path)
    except OSError:
        return None
