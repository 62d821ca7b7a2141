"""`dawn dataset card`: what a dataset is, for people (README.md) and for programs (croissant.json).

The README is a Hugging Face dataset card: https://huggingface.co/docs/hub/datasets-cards
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from eval.report.numbers import cell, number
from manifests.catalog import query
from manifests.config import stable_hash
from manifests.counting import count
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.dataset.croissant import PARQUET, croissant, file_set
from pipeline.dataset.facts import SPLITS, Facts, Funnel, facts_of
from pipeline.dataset.pictures import pictures
from pipeline.dataset.whole_folder import NewFolder, whole_folder
from pipeline.progress import console

PICTURES = "pictures"
FRAMES = "A row a frame: landmarks, pose, eyes."
AUDIO = "A row a frame: loudness, sound features."

_LICENCES = {
    *("cc0-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
    *("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0"),
    *("apache-2.0", "mit", "odc-by", "odbl", "pddl"),
}
"""Identifiers of licences that Hugging Face knows and that footage or its tables have."""

_SIZES = (
    (1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"),
)  # fmt: skip


def make_card(root: str, out: Path, name: str | None) -> None:
    """Write the card of the dataset as it lies there. An earlier card in `out` is replaced.

    Raises InputError where there is no dataset or no accepted clip, or `out` holds other files.
    """
    dataset = Dataset(root)
    facts = facts_of(dataset, name or dataset_name(dataset))
    if not facts.clips:
        raise InputError(f"{root}: has no accepted clip; `dawn dataset sheet` shows why")
    columns = query(dataset, "FROM clips LIMIT 0").schema
    files = [
        file_set("clips-parts", "clips/*.parquet", PARQUET, "A row a face track."),
        file_set("frames-parts", "frames/*.parquet", PARQUET, FRAMES),
        file_set("audio-parts", "audio/*.parquet", PARQUET, AUDIO),
        file_set("decisions-parts", "decisions/*.parquet", PARQUET, "A row a clip and filter."),
        file_set("videos", "media/*/*.mp4", "video/mp4", "The crops with sound, at 25 fps."),
        file_set("sounds", "media/*/*.flac", "audio/flac", "Their sound, lossless, at 16 kHz."),
    ]
    source = {"fileSet": {"@id": "clips-parts"}}
    with whole_folder(out, "card", stable_hash([facts.name, facts.recipe]), again=True) as folder:
        write_card(dataset, folder, facts, SPLITS, files, source, columns, {})
    console.print(
        f"wrote the card of {count(facts.clips, 'clip')}: {out / 'README.md'}, "
        f"{out / 'croissant.json'}",
        markup=False,
    )
    console.print(
        "next: `dawn dataset export --to huggingface` writes a folder to publish, with its card; "
        "the dataset's own tables name your source files",
        markup=False,
    )


def dataset_name(dataset: Dataset) -> str:
    """The last part of its place."""
    return re.sub(r"[^\w.-]+", "-", dataset.path.rstrip("/").rsplit("/", 1)[-1]) or "dataset"


def write_card(
    dataset: Dataset,
    folder: NewFolder,
    facts: Facts,
    splits: Sequence[str],
    files: list[dict[str, Any]],
    source: dict[str, Any],
    columns: pa.Schema,
    front: dict[str, Any],
) -> None:
    """Pictures, `croissant.json` and README.md; `front` is added to the README's front matter."""
    shown = []
    for name, (title, draw) in pictures(dataset, facts, splits).items():
        folder.make(f"{PICTURES}/{name}", draw)
        shown.append((f"{PICTURES}/{name}", title))
    described = croissant(facts, files, source, columns)
    folder.text("croissant.json", json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    folder.text("README.md", as_markdown(facts, shown, front))


def as_markdown(facts: Facts, shown: Sequence[tuple[str, str]], front: dict[str, Any]) -> str:
    """The README: front matter and sections."""
    head = {
        "pretty_name": facts.name,
        "license": _licences(facts),
        **_languages(facts),
        "task_categories": ["image-to-video"],
        "tags": ["talking-head", "lip-sync", "face", "video", "audio", "croissant"],
        "size_categories": [next((s for n, s in _SIZES if facts.clips < n), "n>10M")],
        **front,
    }
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=100)
    parts = [
        f"---\n{text}---\n",
        f"# {cell(facts.name)}\n",
        _summary(facts),
        _splits(facts),
        _rights(facts),
        *([_reading()] if front else []),
        _contents(),
        "## Distributions\n",
        *(f"![{title}]({path})\n\n*{title}.*\n" for path, title in shown if "funnel" not in path),
        "## How clips were chosen\n",
        "\n".join(_chosen(facts)),
        *(f"![{title}]({path})\n" for path, title in shown if "funnel" in path),
        "## Known limits\n",
        "\n".join(f"- {line}" for line in _limits(facts)) + "\n",
        _recipe(facts),
    ]
    return "\n".join(parts)


def _summary(facts: Facts) -> str:
    low, high = facts.sizes
    side = f"{low}" if low == high else f"{low} to {high}"
    return (
        f"{count(facts.clips, 'clip')} of talking heads, {length(facts.hours)} in all, "
        f"{count(facts.speakers, 'speaker')}. Each clip is one face: a fixed square crop of "
        f"{side} px at 25 fps with its sound (mono, 16 kHz), and for each frame landmarks, head "
        "pose, eyes, mouth and sound features.\n"
    )


def _splits(facts: Facts) -> str:
    lines = [
        "## Splits\n",
        "| split | clips | speakers | source videos | length | frames | blinks a minute |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row['split']} | {row['clips']:,} | {row['speakers']:,} | {row['videos']:,} | "
        f"{length(row['hours'])} | {row['frames']:,} | {number(row['blinks_per_minute'], 3)} |"
        for row in facts.splits
    ]
    known = {
        "label": "by a label of the source list",
        "face": "by their face (clusters of embeddings)",
        "video": "by nothing but their source video",
    }
    told = ", ".join(f"{known[by]}: {clips:,}" for by, clips in facts.identity_by.items())
    return "\n".join(
        [*lines, f"\nNo speaker is in two splits. Clips by how their speaker is known: {told}.\n"]
    )


def _rights(facts: Facts) -> str:
    lines = ["## Licences and consent\n"]
    for label, title in (("licence", "Licence"), ("consent", "Consent")):
        found = facts.labels[label]
        if found is None or all(value is None for value, _ in found):
            lines.append(f"{title}: **unknown**; no source list had a `{label}` for these clips.\n")
            continue
        lines += [f"| {label} | clips |", "|---|--:|"]
        lines += [
            f"| {'**unknown**' if value is None else cell(value)} | {clips:,} |"
            for value, clips in found
        ]
        lines.append("")
    for label in ("language", "gender", "age_group"):
        if found := facts.labels[label]:
            values = ", ".join(
                f"{'unknown' if value is None else cell(value)} {clips:,}" for value, clips in found
            )
            lines.append(f"{label.replace('_', ' ').capitalize()}: {values}.\n")
    lines.append(
        "The clips show people. A licence of the footage is not their consent; check both, and "
        "the law that applies to you, before you use or pass on a clip.\n"
    )
    return "\n".join(lines)


def _reading() -> str:
    return (
        "## Reading it\n\n```python\nimport datasets\n\n"
        'clips = datasets.load_dataset("PATH_OR_NAME")  # a row a clip, with its video\n'
        "frames = datasets.load_dataset(  # a row a frame; sound features: audio/*.parquet\n"
        '    "parquet", data_files="PATH/frames/*.parquet"\n)\n```\n\n'
        "`datasets` needs `torchcodec` to decode videos; `sound_path` names the lossless sound, "
        "relative to this folder.\n"
    )


def _contents() -> str:
    return (
        "## What is in it\n\n"
        "`croissant.json` names every column with its meaning and unit (Croissant 1.1). Frame *i* "
        "of a clip is shown from *i*/25 s to (*i*+1)/25 s and has 640 samples of sound.\n"
    )


def _chosen(facts: Facts) -> Iterator[str]:
    sources = sum(row["count"] for row in facts.sources)
    yield (
        f"{count(sources, 'source video')} gave {count(facts.clips_found, 'clip')}, of which "
        f"{facts.clips_accepted:,} passed every filter. What became of the sources:\n"
    )
    yield "| status | reason | videos |\n|---|---|--:|"
    for row in facts.sources:
        yield f"| {row['status']} | {row['reason'] or ''} | {row['count']:,} |"
    yield (
        "\nA clip is rejected if it fails one filter or more; `alone` counts those that failed no "
        "other.\n"
    )
    yield "| filter | bound | judged | rejected | alone | what is wrong with a clip that fails |"
    yield "|---|---|--:|--:|--:|---|"
    for entry in facts.funnel:
        yield (
            f"| `{entry.name}` | {bound(entry)} | {entry.judged:,} | {entry.rejected:,} | "
            f"{entry.alone:,} | {cell(entry.explanation)} |"
        )
    yield ""


def bound(entry: Funnel) -> str:
    """A filter's bounds as a condition."""
    sign = "≥" if entry.rule == "min" else "≤"
    return " or ".join(f"{sign} {float(f'{value:.6g}'):g}" for value in entry.thresholds)


def _limits(facts: Facts) -> Iterator[str]:
    licences = dict(facts.labels["licence"] or [])
    if unknown := licences.get(None, 0):
        yield f"{count(unknown, 'clip')} of {facts.clips:,} without a licence label."
    consent = facts.labels["consent"]
    if consent is None or any(value is None for value, _ in consent):
        yield "Whether the people shown consented is not recorded for all clips."
    if facts.identity_by.get("video"):
        yield (
            f"{count(facts.identity_by['video'], 'clip')} whose speaker is known by the source "
            "video only: the same person in two videos may be in two splits."
        )
    for entry in facts.funnel:
        if entry.not_judged:
            yield (
                f"`{entry.name}` could not judge {count(entry.not_judged, 'clip')} of "
                f"{entry.judged + entry.not_judged:,}; those were not rejected by it."
            )
    if missing := sorted({"train", "val", "test"} - {row["split"] for row in facts.splits}):
        yield f"No clip in {' or '.join(missing)}."
    if facts.labels["language"] is None:
        yield "Languages are not recorded."
    yield (
        "Landmarks, pose, blinks and mouth opening are measured by networks and geometry, not "
        "annotated by people; frames in which no face was found are interpolated (`found` is "
        "false)."
    )
    yield "Filters prefer frontal, well-lit, single faces: the set does not stand for all footage."


def _recipe(facts: Facts) -> str:
    recipe = yaml.safe_dump(facts.recipe, sort_keys=True, allow_unicode=True, width=100)
    return (
        "## Recipe\n\n"
        f"Made by dawn-pipeline with the recipe `{facts.recipe_hash}`. The same footage and this "
        "recipe give the same tables, byte for byte.\n\n"
        f"<details><summary>Every setting</summary>\n\n```yaml\n{recipe}```\n\n</details>\n"
    )


def _licences(facts: Facts) -> list[str]:
    found = set()
    for value, _ in facts.labels["licence"] or [(None, 1)]:
        name = re.sub(r"\s+", "-", (value or "").strip().lower())
        found.add("unknown" if not name else name if name in _LICENCES else "other")
    return sorted(found)


def _languages(facts: Facts) -> dict[str, list[str]]:
    codes = {value for value, _ in facts.labels["language"] or [] if value is not None}
    plain = sorted(code for code in codes if re.fullmatch(r"[a-z]{2,3}", code))
    return {"language": plain} if plain else {}


def length(hours: float) -> str:
    """A length for people."""
    seconds = hours * 3600
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if hours < 2 else f"{hours:.1f} h"
