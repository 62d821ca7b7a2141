"""The recipe of a dataset: everything that decides what its tables hold, and its hashes.

Each stage's results are keyed by what they depend on. A new threshold changes only the judge's
key, so only the filters run again; a new crop changes them all.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from dawn.curation import extraction
from dawn.curation.decisions import FilterConfig
from dawn.curation.extraction import ExtractConfig
from dawn.curation.splits import SplitConfig
from dawn.curation.tables import Label
from dawn.features.faces.landmarks import MEDIAPIPE, require_landmarker
from dawn.features.sound.speech import quality_model
from dawn.weights import find, sha256, status
from manifests.config import as_dict, stable_hash
from manifests.errors import InputError

# Part of the key of whatever a network measures: its name here -> its name in the registry.
_OPTIONAL = {
    "identity": "mobilefacenet",
    "lr_asd": "lr_asd",
    "syncnet": "syncnet_v2",
    "text": "ppocr_det",
    "brisque": "brisque",
    "hyperiqa": "hyperiqa_koniq",
    "dover": "dover",
    "voice": "ge2e_speaker",
}


_LATER = {"landmarks": MEDIAPIPE}
"""Settings of `extract` that are younger than datasets, with their defaults."""


def hubert_file(folder: Path) -> Path:
    """The weights inside HuBERT's folder."""
    safe = folder / "model.safetensors"
    return safe if safe.exists() else folder / "pytorch_model.bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioConfig:
    """Which audio features `audio` holds."""

    features: Literal["auto", "log_mel", "hubert"] = "auto"
    """`auto` is HuBERT-large where its weights are, else log-mel; the dataset remembers which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestConfig:
    """The settings of `dawn ingest --config FILE`."""

    extract: ExtractConfig = ExtractConfig()
    audio: AudioConfig = AudioConfig()
    filters: FilterConfig = FilterConfig()
    splits: SplitConfig = SplitConfig()
    use_weights: bool = True
    """Measure identity, audio-visual agreement and the quality of speech with the networks whose
    weights are there."""


@dataclass(frozen=True)
class Recipe:
    """A configuration together with the weights it resolved to.

    What its keys hash is made once: a run asks for them several times a video.
    """

    config: IngestConfig
    weights: dict[str, str]
    """Network -> first 16 hex digits of its file's SHA-256."""

    @classmethod
    def resolve(cls, config: IngestConfig) -> "Recipe":
        """Fix which optional networks take part. Raises InputError when one asked for is absent, or
        a landmark backend: in a worker that would quarantine every video.
        """
        require_landmarker(config.extract.landmarks)
        weights = {}
        for name, registered in _OPTIONAL.items():
            path = find(registered) if config.use_weights else None
            if path is not None:
                weights[name] = sha256(path)[:16]
        quality = quality_model() if config.use_weights else None
        if quality is not None:
            weights["dnsmos"] = sha256(quality)[:16]
        hubert = find("hubert_large") if config.audio.features != "log_mel" else None
        if hubert is not None:
            weights["hubert"] = sha256(hubert_file(hubert))[:16]
        elif config.audio.features == "hubert":
            raise InputError(f"audio.features: hubert: {status('hubert_large').reason}")
        return cls(config, weights)

    def as_dict(self) -> dict[str, Any]:
        """What `dataset.json` records."""
        return {
            "extract_version": extraction.VERSION,
            "config": as_dict(self.config)
            | {
                "extract": self._extract,
                "splits": self._splits,
            },
            "weights": self.weights,
        }

    def extract_key(self, labels: tuple[Label, ...]) -> str:
        """Of `clips`, `frames` and media of a video; labels that cut it into parts belong to it."""
        networks = {k: v for k, v in self.weights.items() if k != "hubert"}
        ranges = [[label.start, label.stop] for label in labels]
        return stable_hash([extraction.VERSION, self._extract, networks, ranges])

    def audio_key(self, extract_key: str) -> str:
        """Of `audio`."""
        return stable_hash([extract_key, self.weights.get("hubert")])

    def split_key(self) -> str:
        """Of who is in which split."""
        return stable_hash(self._splits)

    def judge_key(self, extract_key: str, labels: tuple[Label, ...]) -> str:
        """Of `decisions` and of what filters and splits add to `clips`."""
        marks = [[label.speaker, label.licence, label.split, *label.extra] for label in labels]
        config = [self._filters, self._splits]
        return stable_hash([extract_key, config, marks])

    @cached_property
    def _extract(self) -> dict[str, Any]:
        """What decides an extraction. A setting that was added later is left out at its default,
        so that datasets from before keep their recipe.
        """
        extract = as_dict(self.config.extract)
        return {key: value for key, value in extract.items() if _LATER.get(key) != value}

    @cached_property
    def _splits(self) -> dict[str, Any]:
        """The split rule; `on_conflict` decides whether a run begins, not what tables hold."""
        splits = as_dict(self.config.splits)
        del splits["on_conflict"]
        return splits

    @cached_property
    def _filters(self) -> dict[str, Any]:
        return as_dict(self.config.filters)

    def __getstate__(self) -> dict[str, Any]:
        """Without what was made of it: every job carries the recipe."""
        return {"config": self.config, "weights": self.weights}
