"""`dawn verify`: what a video's content credentials say, and what is left without them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from dawn.credentials.likeness import COPY, Thumbnails, likeness, thumbnails
from dawn.credentials.reading import Credentials, read_credentials
from manifests.counting import count
from manifests.errors import InputError
from manifests.location import Place
from manifests.run_search import runs_below
from manifests.runs import RunFolder
from pipeline.info_names import GENERATIONS
from pipeline.progress import Progress, console, errors
from pipeline.query import conventions

VALID, INVALID, NONE = 0, 1, 3
"""Exit codes; 2 is what all commands say of bad input. Of several files the worst counts, and
altered is worse than bare.
"""
_SEVERITY = (VALID, NONE, INVALID)


@dataclass(frozen=True, slots=True)
class Copy:
    """The video of a run that another one is most like."""

    run: str
    item: str
    checkpoint: str | None
    likeness: float


def verify_files(files: Sequence[Path], trust: Path | None, runs: Sequence[str]) -> int:
    """Check each file and print what was found; returns the exit code. Raises InputError."""
    anchors = _anchors(trust) if trust is not None else None
    codes = []
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: is no file")
        found = read_credentials(file, anchors)
        code, lines = judged(found, anchors_given=anchors is not None)
        if code == NONE:
            lines += without_credentials(file, runs)
        console.print(f"{file}: {lines[0]}", markup=False, soft_wrap=True)
        for line in lines[1:]:
            console.print(f"  {line}", markup=False, soft_wrap=True)
        codes.append(code)
    return max(codes, key=_SEVERITY.index)


def judged(found: Credentials, *, anchors_given: bool) -> tuple[int, list[str]]:
    """Exit code and lines for people; the first is the verdict."""
    if found.verdict == "none":
        return NONE, ["no content credentials"]
    signer = found.signer or "a certificate without a name"
    if found.verdict == "invalid":
        return INVALID, [
            "NOT VALID: altered since it was signed, or its credentials are broken",
            *found.faults,
            f"they name as signer: {signer}",
        ]
    vouched = "which --trust vouches for" if found.trusted else "an unknown certificate"
    if anchors_given and not found.trusted:
        return INVALID, [
            f"NOT TRUSTED: unaltered since it was signed by {signer}, whom no certificate of "
            "--trust vouches for",
            *_said(found),
        ]
    return VALID, [f"valid: unaltered since it was signed by {signer}, {vouched}", *_said(found)]


def _said(found: Credentials) -> list[str]:
    """What the credentials tell, line by line."""
    lines = [f"made: {found.when or 'when is not said'}, by {found.generator}"]
    if found.source_type is not None:
        lines.append(f"kind: {found.source_type}")
    if not found.ours:
        return [*lines, "its credentials are not of `dawn generate`"]
    made = found.made
    name = f" ({made['checkpoint_name']})" if "checkpoint_name" in made else ""
    lines.append(f"checkpoint: {made.get('checkpoint', 'none')}{name}")
    networks = made.get("networks")
    if isinstance(networks, dict):
        lines += [f"  {network}: sha256 {digest}" for network, digest in networks.items()]
    for key, what in (("portrait_sha256", "portrait"), ("audio_sha256", "audio")):
        if key in made:
            lines.append(f"{what}: sha256 {made[key]}")
    return [*lines, f"settings: {made.get('settings_hash', '?')}, seed {made.get('seed', '?')}"]


def without_credentials(file: Path, runs: Sequence[str]) -> list[str]:
    """What can be said of a video that carries none."""
    lines = [
        "they are lost when a video is encoded again or its metadata is removed; nothing is "
        "hidden in its pictures"
    ]
    if not runs:
        return [*lines, "--results RUN compares it with the videos of a run"]
    compared, best = most_alike(thumbnails(file), runs)
    if best is None or best.likeness < COPY:
        nearest = "" if best is None else f"; the nearest, {best.item}, has {best.likeness:.2f}"
        return [*lines, f"a copy of none of {count(compared, 'video')}{nearest} (a copy: {COPY})"]
    return [
        *lines,
        f"re-encoded from {best.run}, {best.item} (similarity {best.likeness:.2f} of at most 1; "
        f"another take: below {COPY})",
        f"checkpoint, by the row of the run: {best.checkpoint or 'none'}",
    ]


def most_alike(pictures: Thumbnails, roots: Sequence[str]) -> tuple[int, Copy | None]:
    """How many videos of the runs were compared, and the one that is most like it."""
    compared, best = 0, None
    videos = list(_videos(roots))
    progress = Progress("compare", len(videos), items=len(videos), output=errors)
    with progress:
        for run, row in videos:
            video = Place.of(f"{run.uri}/{row['video']}")
            try:
                with TemporaryDirectory(prefix="dawn-verify-") as scratch:
                    score = likeness(pictures, thumbnails(video.fetched(Path(scratch))))
            except (InputError, FileNotFoundError) as error:
                progress.say(f"{video.uri}: not compared: {error}")
                progress.count("not compared", 1)
                continue
            compared += 1
            progress.count("compared", 1)
            if best is None or score > best.likeness:
                best = Copy(run.uri, row["item"], row["checkpoint"], score)
    return compared, best


def _videos(roots: Sequence[str]) -> Iterator[tuple[RunFolder, dict[str, str]]]:
    """The videos of runs of generation, with their rows."""
    for root in roots:
        runs = [r.folder for r in runs_below(root, conventions().kinds) if r.kind == "generations"]
        if not runs:
            raise InputError(
                f"--results {root}: holds no run of `dawn generate` ({GENERATIONS}); give one, or "
                "a folder of such"
            )
        for run in runs:
            for row in run.read("generations", ["item", "video", "checkpoint"]).to_pylist():
                if row["video"] is not None:
                    yield run, row


def _anchors(trust: Path) -> bytes:
    try:
        content = trust.read_bytes()
    except OSError as error:
        raise InputError(f"--trust {trust}: cannot be read: {error.strerror}") from error
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise InputError(f"--trust {trust}: holds no certificate in PEM")
    return content
