"""Starting the server: model first, then the port."""

import asyncio
import tempfile
import wave
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dawn.sampling.drive import Changes
from dawn.sampling.portrait import POSE_DIM, Portrait
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.talking_head import Inputs, TalkingHead
from dawn.sampling.voice import read_voice
from pipeline.progress import console, errors
from pipeline.serve.listening import check_installed, is_loopback, listening
from pipeline.serve.settings import Limits

_WARM_SECONDS = 14
"""Of sound: every length of stretch occurs."""
_GRACE_S = 5
"""For what is being sent when the server is asked to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """The flags of `dawn serve`."""

    checkpoint: Path
    config: GenerateConfig
    host: str = "127.0.0.1"
    port: int = 8000
    device: str = "auto"
    limits: Limits = Limits()


def serve(flags: Serve) -> None:
    """Serve until told to stop. Raises InputError where it cannot begin."""
    check_installed("dawn serve", "serve")
    import uvicorn

    from pipeline.serve.app import make_app
    from pipeline.serve.videos import Studio

    model = TalkingHead(flags.checkpoint, flags.device, flags.config.dtype)
    model.load()
    if model.device.type == "cuda":
        warm(model, flags.config)
    local = is_loopback(flags.host)
    if not local:
        errors.print(
            f"warning: --host {flags.host}: whoever reaches this machine can use it, without a "
            "log-in and without encryption; put a proxy with both before it",
            markup=False,
        )
    with listening(flags.host, flags.port) as port:
        address = port.getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        hosts = ["127.0.0.1", "localhost", "[::1]", host] if local else None
        app = make_app(Studio(model, flags.config, flags.limits), flags.limits, hosts)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=_GRACE_S, limit_concurrency=_connections(flags.limits),
        )  # fmt: skip
        console.print(f"serving on http://{host}:{address[1]} (Ctrl-C ends it)", markup=False)
        with suppress(KeyboardInterrupt):  # raised again when all is closed
            asyncio.run(uvicorn.Server(config).serve(sockets=[port]))
    console.print("ended", markup=False)


def warm(model: TalkingHead, config: GenerateConfig) -> None:
    """Make a video that nobody sees: a GPU's kernels are compiled, tuned and captured."""
    size = model.folder.size
    portrait = Portrait(
        picture=np.full((size, size, 3), 128, np.uint8), pose=np.zeros(POSE_DIM, np.float32),
        eyes=np.full(2, 0.3, np.float32), box=np.array([0.2, 0.8, 0.2, 0.9], np.float32),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="dawn-") as folder:
        path = Path(folder) / "silence.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(bytes(2 * 16000 * _WARM_SECONDS))
        inputs = Inputs(where="", portrait=portrait, voice=read_voice(path), changes=Changes())
        model.write(inputs, Path(folder) / "warm.mp4", config)


def _connections(limits: Limits) -> int:
    """At most: every place, as many that are told to wait, and some that ask how it goes."""
    return 2 * (limits.videos + limits.waiting) + 16
