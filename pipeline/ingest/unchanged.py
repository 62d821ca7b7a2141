"""Sources that need not be hashed again: their size and time, or their ETag, are what they were."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from manifests.content_ids import label
from manifests.glance import Glance, glance_at
from manifests.location import Where
from manifests.seen import Sighting, read_seen, replace_seen, write_seen
from manifests.store import SEEN, Session
from pipeline.ingest.sources import Source
from pipeline.ingest.steps import Identified

_AT_ONCE = 16
"""Looks at files: of an object store's, or a network's, most is waiting."""


class Unchanged:
    """What earlier ingests saw of the sources, and what this one sees."""

    def __init__(self, session: Session, *, verify: bool = False) -> None:
        self._session, self._verify = session, verify
        self._seen = read_seen(session.dataset)
        self._parts = len(session.dataset.names(SEEN))
        self._now: dict[Where, Glance | None] = {}
        self._new: dict[str, Sighting] = {}

    def look(self, sources: Iterable[Source]) -> int:
        """See what the sources are like now; their bytes altogether. Nothing of them is read."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for path, found in pool.map(_look, sources):
                self._now[path] = found
        return sum(found.size for found in self._now.values() if found is not None)

    def known(self, path: Where) -> Identified | None:
        """What hashing a source would give, where it is as it was when it was hashed."""
        now, then = self._now.get(path), self._seen.get(label(path))
        if self._verify or now is None or then is None or now.mark != then.mark:
            return None
        return Identified(then.video, now.size, now.stamp)

    def note(self, path: Where, found: Identified) -> None:
        """A source was hashed, after it was looked at."""
        now = self._now.get(path)
        if now is not None and now.mark is not None and now.stamp == found.stamp:
            self._new[label(path)] = Sighting(now.mark, found.video_id)

    def keep(self) -> None:
        """Write what was noted since the last time, so that a kill loses little of it."""
        new = {name: seen for name, seen in self._new.items() if self._seen.get(name) != seen}
        write_seen(self._session, new)
        self._parts += bool(new)
        self._seen |= new
        self._new.clear()

    def finish(self) -> None:
        """Make one part of all."""
        self.keep()
        if self._parts > 1:
            replace_seen(self._session, self._seen)


def _look(source: Source) -> tuple[Where, Glance | None]:
    try:
        return source.path, source.glance or glance_at(source.path)
    except OSError:
        return source.path, None
