"""The command line of a system, and what takes the place of its placeholders."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from manifests.errors import InputError

IMAGE, AUDIO, OUT, OUT_FOLDER = "{image}", "{audio}", "{out}", "{out_dir}"
VIDEOS = {".mp4", ".mkv", ".webm", ".avi", ".mov"}
_EXAMPLE = "dawn bench-system … -- python run.py --face {image} --voice {audio} --save {out}"


@dataclass(frozen=True, slots=True)
class Command:
    """Words with placeholders."""

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.words:
            raise InputError(f"give the system's command after --: {_EXAMPLE}")
        whole = " ".join(self.words)
        for name, what in ((IMAGE, "the portrait"), (AUDIO, "the voice")):
            if name not in whole:
                raise InputError(
                    f"the command has no {name}, where {what} goes; quote it if the shell takes "
                    f"the braces: {_EXAMPLE}"
                )
        if (OUT in whole) == (OUT_FOLDER in whole):
            raise InputError(
                f"the command must have {OUT}, the video that it writes, or {OUT_FOLDER}, a folder "
                f"into which it puts one, and not both: {_EXAMPLE}"
            )
        if shutil.which(self.words[0]) is None:
            raise InputError(f"{self.words[0]}: there is no such program; give its path")

    @property
    def names_its_file(self) -> bool:
        """Whether it is told the video's name, so that its first frame can be waited for."""
        return any(OUT in word for word in self.words)

    def filled(self, image: Path, audio: Path, out: Path) -> list[str]:
        """The words of one run. `out` is the video, or the folder for it."""
        places = {IMAGE: image, AUDIO: audio, OUT: out, OUT_FOLDER: out}
        filled = []
        for word in self.words:
            text = word
            for name, path in places.items():
                text = text.replace(name, str(path))
            filled.append(text)
        return filled

    def video(self, out: Path) -> Path:
        """The video that a run left: of a folder the newest one, or a name that is not there."""
        if self.names_its_file:
            return out
        found = [file for file in out.rglob("*") if file.suffix.lower() in VIDEOS]
        return max(found, key=lambda file: file.stat().st_mtime_ns, default=out / "video")


def parsed(words: Sequence[str]) -> Command:
    """The command as it was typed. Raises InputError."""
    return Command(tuple(words))
