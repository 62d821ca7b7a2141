"""What a published page calls things: folders by their last part, speakers and clips by their
sources. A page, a table or a JSON file that is sent to someone says nothing of the disks, users and
projects of the machine that made it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.results.scores import Results

_UNNAMED = re.compile(r"(video|face):")
"""Identities that an ingest gave itself, since nobody had named the speaker."""
_LISTED = 2


def last_part(path: str) -> str:
    """The last part of a path or an address: `/data/ted:test` is `ted:test`."""
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def public_command(words: Sequence[str]) -> list[str]:
    """A command with paths and addresses shortened to their last part; other words stay."""
    return [_public_word(word) for word in words]


def _public_word(word: str) -> str:
    flag, sign, value = word.partition("=")
    if sign and flag.startswith("-"):
        return f"{flag}={_public_word(value)}"
    return last_part(word) if re.search(r"[/\\]", word) else word


def public(results: Results) -> Results:
    """The same results, whose `info` names no path."""
    info = dict(results.info)
    if info.get("command"):
        info["command"] = public_command(info["command"])
    for key in ("reference", "checkpoint"):
        if isinstance(info.get(key), str) and re.search(r"[/\\]", info[key]):
            info[key] = last_part(info[key])
    unpaired = dict(info.get("unpaired") or {})
    for key in ("generated_names", "reference_names"):
        if key in unpaired:
            unpaired[key] = [last_part(str(name)) for name in unpaired[key]]
    info["unpaired"] = unpaired
    return replace(results, info=info)


def folder_names(paths: Sequence[str]) -> list[str]:
    """Each folder's last part, numbered where several have the same."""
    found: list[str] = []
    for path in paths:
        name, number = last_part(path) or "results", 2
        while name in found:
            name, number = f"{last_part(path)}-{number}", number + 1
        found.append(name)
    return found


def clip_name(results: Results, clip: str) -> str:
    """The source's name and, where it has several clips, the clip's place in it; else the id."""
    sources = _sources(results)
    if clip not in sources:
        return clip
    alike = sorted(other for other, source in sources.items() if source == sources[clip])
    return sources[clip] + (f" · {alike.index(clip) + 1}" if len(alike) > 1 else "")


def speaker_names(results: Results) -> dict[str, str]:
    """What each speaker is called: a label as it is, else the names of the sources."""
    sources = _sources(results)
    of: dict[str, list[str]] = {}
    for clip, speaker in zip(results.clip_ids, results.speakers, strict=True):
        if speaker is not None:
            names = of.setdefault(speaker, [])
            if clip in sources and sources[clip] not in names:
                names.append(sources[clip])
    return {
        speaker: _several(names) if names and _UNNAMED.match(speaker) else speaker
        for speaker, names in of.items()
    }


def _several(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _sources(results: Results) -> Mapping[str, str]:
    found: Mapping[str, Any] = results.info.get("sources") or {}
    return {clip: last_part(str(name)) for clip, name in found.items()}
