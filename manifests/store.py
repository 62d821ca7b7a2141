"""A dataset on disk or in an object store: parts, the commit, and what is left after a kill.

A part is an immutable Parquet file. It is written under `.tmp/` and moved into place whole, so
nobody ever sees half of one. A video's row in `videos/` names the parts that hold its clips,
frames, audio and decisions: writing that row *is* the commit. Whatever no visible row names was
left by a run that was killed, and is swept away by the next one.
"""

import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from manifests.atomic_write import LOCK, only_writer_at, publish_file, rename
from manifests.config import diff, stable_hash
from manifests.errors import InputError, is_full
from manifests.location import Place
from manifests.parquet import read_parquet, write_parquet
from manifests.schema import FORMAT_VERSION, TABLES
from manifests.small_files import opened

STAGED = ".staged"
SCRATCH = ".tmp"
FORGOTTEN = "forgotten"
MARKS = "marks"
SEEN = "seen"
LOGS = "logs"
COMPACT = "compact-"
"""Parts that hold many videos begin so; a video's own part goes before them."""

_INFO = "dataset.json"
_INFO_PARTS = _INFO.split(".")


class Dataset:
    """A folder or object-store prefix that holds the tables. `root` is a path or a URI."""

    def __init__(self, root: str) -> None:
        place = Place.of(root)
        self.fs, self.path = place.fs, place.path
        self.local, self.uri = place.local, place.uri

    # --- what kind of dataset this is ---------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether a dataset is there."""
        return bool(self.fs.exists(self._at(_INFO)))

    def info(self) -> dict[str, Any]:
        """The content of `dataset.json`. Raises InputError when there is no usable one."""
        try:
            info = json.loads(self.fs.cat_file(self._at(_INFO)))
            version = info["format"]
            if not (isinstance(version, int) and isinstance(info["recipe"], dict)):
                raise TypeError("its format or its recipe is none")
            _ = info["recipe_hash"]
        except FileNotFoundError as error:
            raise InputError(
                f"{self.uri}: is not a dataset (no {_INFO}); make one with `dawn ingest`"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.uri}/{_INFO}: cannot be read ({error}); restore it from a copy"
            ) from error
        if version > FORMAT_VERSION:
            raise InputError(
                f"{self.uri}: has format {version}, this version reads up to {FORMAT_VERSION}; "
                "install a newer dawn-pipeline"
            )
        return cast("dict[str, Any]", info)

    def ensure(self, recipe: dict[str, Any], *, update: bool = False) -> list[str]:
        """Create the dataset with this recipe, or check that it has it.

        Returns the lines in which an updated recipe differs. Raises InputError with those lines
        when the recipes differ and `update` is not set.
        """
        changes: list[str] = []
        if self.exists:
            changes = diff(self.info()["recipe"], recipe)
            if changes and not update:
                raise InputError(
                    f"{self.uri}: was made with another recipe ({'; '.join(changes)}); use "
                    "another --dataset, or pass --update-recipe to redo what depends on it"
                )
            if not changes:
                return []
        info = {"format": FORMAT_VERSION, "recipe": recipe, "recipe_hash": stable_hash(recipe)}
        text = json.dumps(info, indent=2, sort_keys=True) + "\n"
        if self.local and not changes:
            self._make_folder(Path(self.path))
        with self._locked():  # whoever writes now does so by the recipe that is there
            if not self.local:
                self.fs.pipe_file(self._at(_INFO), text.encode())
                return changes
            temporary = Path(self.path) / f"{_INFO}.{uuid.uuid4().hex}"
            temporary.write_text(text, encoding="utf-8")
            rename(temporary, Path(self.path) / _INFO)
        return changes

    def begin_like(self, info: dict[str, Any]) -> None:
        """Be a new dataset, in a local folder, of the format and recipe of another's `info`."""
        temporary = Path(self.path) / f"{_INFO}.{uuid.uuid4().hex}"
        temporary.write_text(json.dumps(info, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        rename(temporary, Path(self.path) / _INFO)

    def _make_folder(self, path: Path) -> None:
        try:
            if path.exists():
                self._refuse_foreign_folder(path)
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if is_full(error):
                raise
            raise InputError(f"{path}: cannot be created: {error.strerror}") from error

    @staticmethod
    def _refuse_foreign_folder(path: Path) -> None:
        if not path.is_dir():
            raise InputError(f"{path}: is a file; --dataset needs a folder")
        known = {*TABLES, "media", STAGED, SCRATCH, FORGOTTEN, MARKS, SEEN, LOGS, LOCK}
        names = {entry.name for entry in path.iterdir() if entry.name.split(".")[:2] != _INFO_PARTS}
        if names - known:
            raise InputError(f"{path}: holds other files; give --dataset a new or empty folder")

    # --- files --------------------------------------------------------------------------------

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}"

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return bool(self.fs.exists(self._at(name)))

    def names(self, folder: str) -> list[str]:
        """Sorted names of the entries of a folder; empty when there is none."""
        try:
            entries = self.fs.ls(self._at(folder), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(entry.rstrip("/").rsplit("/", 1)[-1] for entry in entries)

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A part as a table."""
        with opened(self.fs, self._at(name)) as file:
            return read_parquet(file, columns)

    def open_part(self, name: str) -> contextlib.AbstractContextManager[Any]:
        """The open file of a part, for reading in pieces."""
        return opened(self.fs, self._at(name))

    def local_copy(self, name: str, folder: Path) -> Path:
        """A path at which plain libraries can open the file; a download for object stores."""
        if self.local:
            return Path(self._at(name))
        target = folder / name.rsplit("/", 1)[-1]
        self.fs.get_file(self._at(name), str(target))
        return target

    def publish(self, temporary: Path, name: str) -> None:
        """Move a finished local file into place, whole, replacing what was there."""
        publish_file(self.fs, self.local, temporary, self._at(name))

    def publish_table(self, table: pa.Table, name: str, scratch: Path) -> None:
        """Write a table as a part."""
        temporary = scratch / f"{uuid.uuid4().hex}.parquet"
        write_parquet(temporary, table)
        self.publish(temporary, name)

    def move(self, name: str, target: str) -> None:
        """Rename a file inside the dataset."""
        if self.local:
            Path(self._at(target)).parent.mkdir(parents=True, exist_ok=True)
            Path(self._at(name)).replace(self._at(target))
        else:
            self.fs.cp_file(self._at(name), self._at(target))
            self.fs.rm_file(self._at(name))

    def delete(self, name: str) -> None:
        """Remove a file; nothing happens when it is not there."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(self._at(name))

    def delete_all(self, names: Sequence[str]) -> None:
        """The same of several files, many in one request."""
        if not names:
            return
        if self.local:
            for name in names:
                self.delete(name)
            return
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm([self._at(name) for name in names])

    def delete_folder(self, name: str) -> None:
        """Remove a folder with all that it holds; nothing happens when it is not there."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm(self._at(name), recursive=True)

    # --- one writer at a time -----------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self) -> Iterator["Session"]:
        """Hold the dataset for writing. Raises InputError while another process does."""
        with self._locked() as require_hold:
            left = self.names(SCRATCH)
            name = f"{SCRATCH}/{uuid.uuid4().hex}"
            scratch = Path(self._at(name)) if self.local else Path(tempfile.mkdtemp())
            scratch.mkdir(parents=True, exist_ok=True)
            if not self.local:
                self.fs.pipe_file(self._at(name), b"")  # a trace that a kill leaves behind
            for old in left:  # only now: there is a trace at every moment until all is swept
                self.delete_folder(f"{SCRATCH}/{old}")
            for half in Path(self.path).glob(f"{_INFO}.*") if self.local else ():
                half.unlink()
            yield Session(self, scratch, bool(left), require_hold)
            # Not in a `finally`: a run that ends by an error leaves its trace, so that the next
            # one sweeps.
            shutil.rmtree(scratch, ignore_errors=True)
            self.delete_folder(SCRATCH)

    def _locked(self) -> contextlib.AbstractContextManager[Callable[[], None]]:
        return only_writer_at(self.fs, self.local, self.path, self.uri)


class Session:
    """A dataset held for writing, with a scratch folder: on the same disk, or for object stores of
    this process alone.
    """

    def __init__(
        self,
        dataset: Dataset,
        scratch: Path,
        unclean: bool,
        require_hold: Callable[[], None] = lambda: None,
    ) -> None:
        self.dataset = dataset
        self.scratch = scratch
        self.require_hold = require_hold
        """Raises InputError when another writes now; asked before each commit."""
        self.unclean = unclean
        """Things may be left that no row names: from a writer that was killed, or in merged parts
        that lost a video. A sweep is due."""
