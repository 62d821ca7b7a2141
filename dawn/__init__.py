"""What DAWN is: the features it consumes, its three models, losses and sampling. No Ray.

`dawn.load(model).generate(image, audio)` makes a video, `dawn.clips(root)` a torch Dataset of
clips; neither needs Ray.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dawn.sampling.talking_head import TalkingHead
    from dawn.training.clip_dataset import ClipDataset


def load(
    model: "str | Path | None" = None, device: str = "auto", dtype: str = "auto"
) -> "TalkingHead":
    """Load a model folder: the three networks, of a checkpoint of ours or an imported one; without
    one the small model that comes with the package.

    `device` is auto, cpu or cuda, `dtype` auto (bfloat16 on a GPU), float32, bfloat16 or float16.
    Raises InputError when the folder does not hold networks that fit together.
    """
    from dawn.pretrained import SMALL
    from dawn.sampling.talking_head import TalkingHead

    return TalkingHead(SMALL if model is None else model, device, dtype)


def clips(root: str, split: str = "train", size: int | None = None) -> "ClipDataset":
    """The accepted clips of a dataset's split as a torch Dataset, pictures scaled to `size`.

    Raises InputError when there is none.
    """
    from dawn.training.clip_dataset import ClipDataset

    return ClipDataset(root, split, size)
