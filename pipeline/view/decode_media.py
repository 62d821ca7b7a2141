"""Decodes what a browser sent, in a process of its own with little memory and time.

`python -m pipeline.view.decode_media picture|sound IN OUT SECONDS` writes a PNG, or a WAV of 16 kHz
with at most so many seconds. What is wrong is one line on stderr and exit code 2; whatever else
befalls the process, the application lives on.
"""

import resource
import sys
import wave
from pathlib import Path

import numpy as np

from manifests.errors import InputError

MEMORY = 6 * 2**30
"""Of addresses; libraries reserve far more than they use."""
CPU_S = 60
OUTPUT = 400 * 2**20
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


def bound() -> None:
    """Limit this process for good."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def decode_picture(source: Path, target: Path) -> None:
    """Write the upright RGB picture as PNG. Raises InputError."""
    from PIL import Image

    from dawn.features.faces.picture import read_picture

    with source.open("rb") as file:
        head = file.read(12)
    webp = head.startswith(b"RIFF") and head.endswith(b"WEBP")
    if not webp and not head.startswith(PICTURES):
        # Pillow reads more kinds, some by calling other programs
        raise InputError("the portrait: give a JPEG, PNG or WebP file")
    Image.fromarray(read_picture(source)).save(target, "PNG", compress_level=1)


def decode_sound(source: Path, target: Path, seconds: float) -> None:
    """Write the sound as mono WAV of 16 kHz. Raises InputError, also where it lasts longer."""
    from dawn.features.rates import SAMPLE_RATE
    from dawn.sampling.voice import read_voice

    voice = read_voice(source, seconds + 1)
    if voice.seconds > seconds:
        raise InputError(f"the voice: may last {seconds:g} s at most")
    samples = np.round(voice.samples * 32767).astype("<i2")
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())


def main() -> None:
    """Do what the arguments say, or say in one line why not."""
    kind, source, target, seconds = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    bound()
    name = "the portrait" if kind == "picture" else "the voice"
    try:
        if kind == "picture":
            decode_picture(source, target)
        else:
            decode_sound(source, target, float(seconds))
    except InputError as error:
        sys.stderr.write(str(error).replace(str(source), name) + "\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
