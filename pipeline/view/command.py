"""Starting the application: everything that can be wrong is found before the port is opened."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from manifests.errors import InputError
from pipeline.progress import console
from pipeline.serve.listening import check_installed, listening

HOST = "127.0.0.1"
_GRACE_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The flags of `dawn view`."""

    targets: Sequence[str]
    checkpoint: Path | None = None
    device: str = "auto"
    port: int = 8001
    edit: bool = False


def view(flags: View) -> None:
    """Show what was given until told to stop. Raises InputError where it cannot begin."""
    check_installed("dawn view", "view")
    if not flags.targets and flags.checkpoint is None:
        raise InputError(
            "nothing to view: give a dataset, runs or results, or --checkpoint DIR to try a model"
        )
    import uvicorn

    from dawn.pretrained import SMALL
    from pipeline.query import conventions
    from pipeline.view.app import make_app
    from pipeline.view.library import find
    from pipeline.view.search import histograms
    from pipeline.view.trial import Trial

    known = conventions()
    library = find(flags.targets, known.kinds)
    trial = Trial(flags.checkpoint or SMALL, flags.device)
    with listening(HOST, flags.port) as port:
        app = make_app(library, known, edit=flags.edit, trial=trial)
        for rows in app.state.snapshots.values():
            histograms(rows)  # so that the first page comes at once
        app.state.book.metrics()
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )  # fmt: skip
        reads = "clips can be marked" if flags.edit else "read-only"
        console.print(f"{reads}; this machine alone can open it; Ctrl-C ends it", markup=False)
        console.print(f"open http://{HOST}:{port.getsockname()[1]}/", markup=False)
        with suppress(KeyboardInterrupt):  # raised again when all is closed
            asyncio.run(uvicorn.Server(config).serve(sockets=[port]))
    console.print("ended", markup=False)
