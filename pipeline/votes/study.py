"""A study's folder: the page that raters see, the key that says what they saw, and the votes.

STUDY/page/     index.html and videos under names that say nothing: copy it to any web server
STUDY/study.json  the key: which video is whose; stays with its maker
STUDY/votes/    a Parquet part for each file that was imported or posted
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from eval.votes.table import SCHEMA, from_ratings
from manifests.atomic_write import rename
from manifests.errors import InputError
from manifests.parquet import read_parquet, write_parquet

KEY, PAGE, VOTES = "study.json", "page", "votes"
FORMAT = 1
MOST_BYTES = 2**20
"""Of one rater's answers."""
_RATER = re.compile(r"[\w-]{1,40}")
_WINNERS = ("a", "b", "tie")


@dataclass(frozen=True, slots=True)
class Study:
    """A folder that `dawn vote make` made, or one that holds imported votes alone."""

    folder: Path

    @property
    def key(self) -> dict[str, Any]:
        """What `study.json` says. Raises InputError where there is none."""
        try:
            found: dict[str, Any] = json.loads((self.folder / KEY).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(
                f"{self.folder}: holds no {KEY}; make one with dawn vote make"
            ) from None
        except ValueError:
            raise InputError(f"{self.folder / KEY}: is no JSON; make the study again") from None
        return found

    def add(self, content: bytes, name: str) -> tuple[int, bool]:
        """Take in a file of answers or a CSV of ratings: how many votes it holds, and whether this
        very file was there already. Raises InputError.
        """
        rows = self._read(content, name)
        part = self.folder / VOTES / f"{hashlib.sha256(content).hexdigest()[:16]}.parquet"
        if part.exists():
            return len(rows), False
        part.parent.mkdir(parents=True, exist_ok=True)
        temporary = part.with_name(f".{part.name}.tmp")
        write_parquet(temporary, pa.Table.from_pylist(rows, SCHEMA))
        rename(temporary, part)
        return len(rows), True

    def rows(self) -> list[dict[str, Any]]:
        """All votes, part by part in the order of their names."""
        parts = sorted((self.folder / VOTES).glob("[!.]*.parquet"))
        if not parts:
            raise InputError(
                f"{self.folder}: holds no vote yet; take answers in with dawn vote import"
            )
        return [row for part in parts for row in _rows_of(part)]

    def _read(self, content: bytes, name: str) -> list[dict[str, Any]]:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError(f"{name}: is neither answers in JSON nor a CSV") from None
        if text.lstrip().startswith("{"):
            return answers(text, self.key, name)
        reader = csv.DictReader(io.StringIO(text))
        return from_ratings(list(reader), name)


def answers(text: str, key: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Rows of the votes table from what the page saved. Raises InputError."""
    try:
        told = json.loads(text)
        rater, given = told["rater"], told["answers"]
        if told["study"] != key["study"]:
            raise InputError(f"{name}: answers another study ({told['study']})")
        if not isinstance(rater, str) or not _RATER.fullmatch(rater):
            raise InputError(f"{name}: its rater code is not one of the page's")
        return [_row(rater, one, key, name) for one in given]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{name}: is no file of answers; take the one that the page saved"
        ) from None


def _row(rater: str, one: Mapping[str, Any], key: Mapping[str, Any], name: str) -> dict[str, Any]:
    item = key["items"].get(one["item"])
    if item is None or one["winner"] not in _WINNERS or one["question"] not in key["questions"]:
        raise InputError(f"{name}: answers what was not asked; take the file that the page saved")
    seconds = one.get("seconds")
    return {
        "rater": rater, "clip_id": item["clip_id"], "question": one["question"],
        "a": item["a"], "b": item["b"], "winner": one["winner"], "check": item["check"],
        "seconds": float(seconds) if isinstance(seconds, int | float) else None, "source": "page",
    }  # fmt: skip


def _rows_of(part: Path) -> list[dict[str, Any]]:
    with part.open("rb") as file:
        found: list[dict[str, Any]] = read_parquet(file).to_pylist()
    return found
