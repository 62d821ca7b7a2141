"""A model to try: portraits and voices that were sent, and the videos being made of them."""

import asyncio
import logging
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from manifests.errors import InputError

if TYPE_CHECKING:
    from dawn.sampling.portrait import Portrait
    from dawn.sampling.settings import GenerateConfig

MAX_SECONDS = 60.0
PORTRAIT_BYTES, VOICE_BYTES = 20_000_000, 50_000_000
UPLOAD_SECONDS = 60.0
MOST_TEXT = 600
"""Characters of a typed sentence."""
_DECODE_S = 90.0
_SPEAK_S = 30.0
_KEPT = 16
"""Portraits, voices and videos each; the oldest go first."""
_LOOK_EVERY_S = 0.1
_PIECE = 256 * 1024

State = Literal["waiting", "making", "done", "failed", "stopped"]


class _StoppedError(Exception):
    """Nobody wants the rest."""


@dataclass(slots=True)
class Job:
    """A video that is being made into a file, which may be read meanwhile."""

    path: Path
    state: State = "waiting"
    done: int = 0
    total: int = 0
    size: int = 0
    """Bytes so far."""
    fault: str | None = None
    seconds: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self.state in ("done", "failed", "stopped")

    def write(self, data: bytes, /) -> int:
        """See `dawn.sampling.writer.Sink`."""
        self.check()
        with self.path.open("ab") as file:
            file.write(data)
        self.size += len(data)
        return len(data)

    def check(self, _: int = 0) -> None:
        """Raise where nobody wants the rest."""
        if self.stopped.is_set():
            raise _StoppedError

    def told(self) -> dict[str, Any]:
        """How far it is."""
        return {
            "state": self.state, "done": self.done, "total": self.total, "bytes": self.size,
            "fault": self.fault, "seconds": self.seconds,
        }  # fmt: skip


class Trial:
    """One model; its videos are made one after the other."""

    def __init__(self, checkpoint: Path, device: str = "auto") -> None:
        """Raises InputError for a folder that holds no model."""
        from dawn.sampling.talking_head import TalkingHead

        self.model = TalkingHead(checkpoint, device)
        self._folder = tempfile.TemporaryDirectory(prefix="dawn-view-")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dawn-view")
        self._finding = threading.Lock()
        self._portraits: OrderedDict[str, Portrait] = OrderedDict()
        self._voices: OrderedDict[str, Path] = OrderedDict()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def close(self) -> None:
        """Stop what is being made, and remove what was sent."""
        for job in self._jobs.values():
            job.stopped.set()
        self._thread.shutdown(cancel_futures=True)
        self._folder.cleanup()

    def place(self) -> Path:
        """A new file for what is being sent."""
        return Path(self._folder.name) / secrets.token_hex(8)

    def take_portrait(self, sent: Path, face: int | None = None) -> dict[str, Any]:
        """Find a face of a picture that was sent: the largest, which is 1, or another one.
        Raises InputError.
        """
        from dawn.features.faces.picture import read_picture
        from dawn.sampling.portrait import find_portrait

        target = sent.with_suffix(".png")
        _decode("picture", sent, target)
        with self._finding:  # detectors follow one face at a time
            size = self.model.folder.size
            found = find_portrait(read_picture(target), size, "the portrait", face)
        target.unlink()
        kept = _keep(self._portraits, found)
        return {"portrait": kept, "faces": found.faces, "face": found.face}

    def portrait_png(self, name: str) -> bytes | None:
        """The crop that will be animated."""
        import io

        from PIL import Image

        found = self._portraits.get(name)
        if found is None:
            return None
        stream = io.BytesIO()
        Image.fromarray(found.picture).save(stream, "PNG")
        return stream.getvalue()

    def take_voice(self, sent: Path) -> dict[str, Any]:
        """Decode a sound that was sent. Raises InputError."""
        target = sent.with_suffix(".wav")
        _decode("sound", sent, target)
        name = _keep(self._voices, target)
        return {"voice": name, "seconds": (target.stat().st_size - 44) / 32_000}

    def voice_of(self, name: str) -> Path | None:
        """The file of a voice."""
        return self._voices.get(name)

    def speak(self, text: str) -> dict[str, Any]:
        """The voice of a typed sentence, by espeak-ng. Raises InputError."""
        if not speaks():
            raise InputError("typed sentences need espeak-ng: install it, or send a recording")
        words = " ".join(text.split())
        if not words or len(words) > MOST_TEXT:
            raise InputError(f"the sentence: give 1 … {MOST_TEXT} characters")
        sent = self.place()
        try:
            subprocess.run(  # noqa: S603 - the text goes in by its input
                [str(shutil.which("espeak-ng")), "--stdin", "-w", str(sent)],
                input=words.encode(), capture_output=True, timeout=_SPEAK_S, check=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            raise InputError("the sentence could not be spoken by espeak-ng") from error
        return self.take_voice(sent)

    def begin(self, portrait: str, voice: str, seed: int, settings: dict[str, Any]) -> str:
        """Begin a video; its name. Raises InputError."""
        from dawn.pretrained import sampler_of
        from dawn.sampling.settings import precision_on, stream_config

        if portrait not in self._portraits or voice not in self._voices:
            raise InputError("the portrait or the voice is no longer kept; send it again")
        dtype = precision_on(self.model.device, "auto")
        sampler = sampler_of(self.model.folder.path)
        config = stream_config("the settings", dtype=dtype, **(sampler | settings))
        job = Job(self.place().with_suffix(".mp4"))
        name = _keep(self._jobs, job)
        face, sound = self._portraits[portrait], self._voices[voice]
        self._thread.submit(self._make, job, face, sound, seed, config)
        return name

    def job(self, name: str) -> Job | None:
        """A video that was begun."""
        return self._jobs.get(name)

    def _make(
        self, job: Job, face: "Portrait", sound: Path, seed: int, config: "GenerateConfig"
    ) -> None:
        from dawn.sampling.drive import Changes, still
        from dawn.sampling.talking_head import Inputs
        from dawn.sampling.voice import read_voice

        try:
            job.check()
            job.state = "making"
            voice = read_voice(sound)
            changes = Changes(
                pose=still(voice.frames, 6) if config.pose == "still" else None,
                eyes=still(voice.frames, 2) if config.blink == "still" else None,
            )
            inputs = Inputs(where="the portrait", portrait=face, voice=voice, changes=changes)
            job.total, job.seconds = inputs.work(config), voice.seconds

            def on_work(done: int) -> None:
                job.done += done
                job.check()

            self.model.write_stream(inputs, job, config, seed=seed, on_work=on_work)
            job.state = "done"
        except _StoppedError:
            job.state = "stopped"
        except InputError as error:
            job.fault, job.state = str(error).replace(str(sound), "the voice"), "failed"
        except Exception:
            job.fault, job.state = "the video could not be made; the terminal says why", "failed"
            # The thread's future keeps what it raises to itself.
            logging.getLogger(__name__).exception("a video could not be made")


async def pieces(job: Job) -> AsyncIterator[bytes]:
    """The bytes of a video as they come."""
    at = 0
    while True:
        over = job.over
        data = await asyncio.to_thread(_read, job.path, at)
        at += len(data)
        if data:
            yield data
        elif over:
            return
        else:
            await asyncio.sleep(_LOOK_EVERY_S)


def speaks() -> bool:
    """Whether sentences can be spoken here."""
    return shutil.which("espeak-ng") is not None


def _read(path: Path, at: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(at)
            return file.read(_PIECE)
    except FileNotFoundError:
        return b""


def _decode(kind: str, source: Path, target: Path) -> None:
    """Have a child process decode a file, which is removed. Raises InputError."""
    name = "the portrait" if kind == "picture" else "the voice"
    command = [sys.executable, "-m", "pipeline.view.decode_media", kind, str(source), str(target)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [*command, str(MAX_SECONDS)], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_DECODE_S, check=False, text=True, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{name}: took too long to decode; send a smaller file") from error
    finally:
        source.unlink(missing_ok=True)
    if done.returncode == 2 and done.stderr.strip():
        raise InputError(done.stderr.strip().splitlines()[-1])
    if done.returncode or not target.exists():
        raise InputError(f"{name}: cannot be decoded within bounds; send another file")


def _keep(shelf: "OrderedDict[str, Any]", item: Any) -> str:  # noqa: ANN401 - what a shelf holds
    """Its name, which cannot be guessed; the oldest go."""
    name = secrets.token_urlsafe(12)
    shelf[name] = item
    while len(shelf) > _KEPT:
        _, gone = shelf.popitem(last=False)
        if isinstance(gone, Job):
            gone.stopped.set()
        path = gone.path if isinstance(gone, Job) else gone
        if isinstance(path, Path):
            path.unlink(missing_ok=True)
    return name
