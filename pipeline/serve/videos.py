"""Videos that clients asked for: a bounded number, made by few threads, sent as they come."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dawn.sampling.drive import Changes
from dawn.sampling.portrait import Portrait
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.talking_head import Inputs, TalkingHead
from dawn.sampling.voice import read_voice
from manifests.errors import InputError
from pipeline.serve.settings import Limits


class TooLongError(Exception):
    """A recording lasts longer than is allowed."""


class StoppedError(Exception):
    """The client has gone, or the server is ending."""


class Video:
    """One that is asked for: a sink in the thread that makes it, pieces for the loop that sends."""

    def __init__(self, portrait: Portrait, recording: Path, seed: int) -> None:
        self.portrait, self.recording, self.seed = portrait, recording, seed
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        self._stopped = threading.Event()

    def write(self, data: bytes, /) -> int:
        """See `dawn.sampling.writer.Sink`. Never waits: how much there can be is bounded."""
        self.check(0)
        with suppress(RuntimeError):  # the loop has ended: nobody listens
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, bytes(data))
        return len(data)

    def end(self, error: BaseException | None) -> None:
        """In the loop: that was all, or what went wrong."""
        self._pieces.put_nowait(error)

    def check(self, _: int) -> None:
        """Raise StoppedError where nobody wants the rest; called after every denoising step."""
        if self._stopped.is_set():
            raise StoppedError

    def stop(self) -> None:
        """The rest is not wanted."""
        self._stopped.set()

    async def next(self) -> bytes | None:
        """The next piece; None: that was all. Raises what making it raised."""
        piece = await self._pieces.get()
        if isinstance(piece, BaseException):
            raise piece
        return piece

    async def rest(self, first: bytes) -> AsyncIterator[bytes]:
        """All pieces from the first on; whoever stops listening stops the video."""
        piece: bytes | None = first
        try:
            while piece is not None:
                yield piece
                piece = await self.next()
        finally:
            self.stop()


class Studio:
    """Makes videos with one model. Its threads take turns on the device."""

    def __init__(self, model: TalkingHead, config: GenerateConfig, limits: Limits) -> None:
        self.model, self.limits = model, limits
        self._config = replace(config, pose="net", blink="net")
        self._threads = ThreadPoolExecutor(limits.videos, thread_name_prefix="dawn-serve")
        self._videos: set[Video] = set()
        self.places = 0
        """Taken, by videos and by those whose recording is being sent."""

    def take_place(self) -> bool:
        """Whether there was one; `free_place` gives it back."""
        if self.places >= self.limits.videos + self.limits.waiting:
            return False
        self.places += 1
        return True

    def free_place(self) -> None:
        """One is free again."""
        self.places -= 1

    def begin(self, video: Video, over: Callable[[], None]) -> None:
        """Make it as soon as a thread is free; `over` is called, in the loop, before its end is
        told.
        """

        def ended(made: "asyncio.Future[None]") -> None:
            self._videos.discard(video)
            over()
            video.end(StoppedError() if made.cancelled() else made.exception())

        self._videos.add(video)
        asyncio.wrap_future(self._threads.submit(self._make, video)).add_done_callback(ended)

    def close(self) -> None:
        """Stop what is being made and end the threads."""
        for video in list(self._videos):
            video.stop()
        self._threads.shutdown(cancel_futures=True)

    def _make(self, video: Video) -> None:
        video.check(0)
        try:
            voice = read_voice(video.recording, self.limits.max_seconds + 1)
        except InputError as error:
            text = str(error).replace(str(video.recording), "the recording")
            raise InputError(text) from None
        if voice.seconds > self.limits.max_seconds:
            raise TooLongError
        inputs = Inputs(
            where="the portrait", portrait=video.portrait, voice=voice, changes=Changes()
        )
        self.model.write_stream(inputs, video, self._config, seed=video.seed, on_work=video.check)
