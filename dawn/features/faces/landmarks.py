"""Face landmarks: MediaPipe's 478-point mesh behind one small interface.

The mesh model ships in the mediapipe 0.10.21 wheel.
"""

import contextlib
import functools
import importlib
import os
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from types import ModuleType, TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from manifests.errors import InputError
from manifests.plugins import plugins

LANDMARKS = 478
"""Points of the mesh: 468 on the face, 5 on each iris."""

# The 68-point (iBUG) scheme in mesh indices: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47,
# outer mouth 48-59, inner mouth 60-67. "Left" and "right" are the picture's, as in iBUG.
MESH_TO_68: tuple[int, ...] = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)


_CODED = np.dtype(
    {"names": ["x", "y", "z"], "formats": ["<f4"] * 3, "offsets": [3, 8, 13], "itemsize": 17}
)
"""A landmark as protobuf codes it: its length, then each number after its tag."""


class Landmarker(Protocol):
    """Finds one face's landmarks in pictures of one track, one after another."""

    def detect(self, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """RGB (H, W, 3) to (478, 3) in the mesh's order: x, y in pixels, z in the same scale, away
        from the camera; None without a face.
        """

    def forget(self) -> None:
        """Lose the face that was followed: the next picture is looked at afresh."""

    def close(self) -> None:
        """Free what it holds."""


class FaceMesh:
    """MediaPipe's face mesh with irises. `still` looks at each picture afresh; without it the
    mesh follows the face from frame to frame, which is steadier and faster. `coarse` leaves out the
    irises and the finer eyes and lips: 468 points.
    """

    def __init__(
        self, *, still: bool = False, coarse: bool = False, min_confidence: float = 0.5
    ) -> None:
        mesh = mediapipe_solutions().face_mesh
        self._mesh = mesh.FaceMesh(
            static_image_mode=still,
            max_num_faces=1,
            refine_landmarks=not coarse,
            min_detection_confidence=min_confidence,
            min_tracking_confidence=min_confidence,
        )

    def detect(self, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """See `Landmarker.detect`."""
        faces = self._mesh.process(np.ascontiguousarray(image)).multi_face_landmarks
        if not faces:
            return None
        height, width = image.shape[:2]
        return _points(faces[0]) * np.array([width, height, width], dtype=np.float32)

    def forget(self) -> None:
        """Lose the face that was followed: the next picture is looked at afresh."""
        self._mesh.process(np.zeros((64, 64, 3), np.uint8))

    def close(self) -> None:
        """Free the graph."""
        self._mesh.close()

    def __enter__(self) -> "FaceMesh":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _points(face: Any) -> NDArray[np.float32]:  # noqa: ANN401 - a protobuf message
    """x, y, z of each landmark, (N, 3). Read from the message's bytes: asking it for one number at
    a time takes a tenth of the mesh's own time.
    """
    coded = face.SerializeToString()
    if len(coded) != len(face.landmark) * _CODED.itemsize:
        raise RuntimeError("MediaPipe codes landmarks otherwise than its version 0.10.21")
    wire = np.frombuffer(coded, _CODED)
    return np.stack([wire["x"], wire["y"], wire["z"]], axis=1)


MEDIAPIPE = "mediapipe"
_idle: defaultdict[str, list[Landmarker]] = defaultdict(list)


@functools.cache
def landmarkers() -> dict[str, Callable[[], Landmarker]]:
    """Backends by name: MediaPipe's mesh, and those that modules of the entry-point group
    `dawn.landmarkers` declare in `LANDMARKERS`.
    """
    found: dict[str, Callable[[], Landmarker]] = {MEDIAPIPE: FaceMesh}
    for module in plugins("dawn.landmarkers"):
        found |= module.LANDMARKERS
    return found


def require_landmarker(name: str) -> None:
    """Raise InputError for a backend that does not exist."""
    if name not in landmarkers():
        raise InputError(
            f"extract.landmarks: {name}: there is no such backend; give one of "
            f"{', '.join(landmarkers())}"
        )


def borrow(name: str = MEDIAPIPE) -> Landmarker:
    """A landmarker that knows no face. Give it back with `give_back`.

    They are kept for the life of the process: making a mesh costs 25 ms, and MediaPipe keeps about
    a megabyte of each that is closed, which adds up over thousands of tracks. Raises InputError
    for a backend that does not exist.
    """
    require_landmarker(name)
    return _idle[name].pop() if _idle[name] else landmarkers()[name]()


def give_back(landmarker: Landmarker, name: str = MEDIAPIPE) -> None:
    """Take one back for the next track."""
    landmarker.forget()
    _idle[name].append(landmarker)


@contextlib.contextmanager
def following() -> Iterator[Landmarker]:
    """A landmarker for one clip or picture, where it is always MediaPipe's: in evaluation, whose
    numbers must not depend on what is installed, and for portraits.
    """
    landmarker = borrow()
    try:
        yield landmarker
    finally:
        give_back(landmarker)


def to_68(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 68-point subset of mesh landmarks, (..., 478, C) to (..., 68, C)."""
    return landmarks[..., MESH_TO_68, :]


def mediapipe_solutions() -> Any:  # noqa: ANN401 - an untyped module
    """`mediapipe.solutions`, imported late (it takes seconds) and quietly."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Of these MediaPipe draws and records; the second looks for its library with a compiler.
    with warnings.catch_warnings(), _later("matplotlib.pyplot"), _later("sounddevice"):
        warnings.simplefilter("ignore")
        import mediapipe as mp
    return mp.solutions


@contextlib.contextmanager
def _later(name: str) -> Iterator[None]:
    """What imports the module meanwhile gets a stand-in, which imports it once it is used."""
    if name in sys.modules:
        yield
        return

    def real(attribute: str) -> Any:  # noqa: ANN401 - what a module holds
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    stand_in = ModuleType(name)
    stand_in.__getattr__ = real  # type: ignore[method-assign]
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
