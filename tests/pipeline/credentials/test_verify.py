"""A signed video says what made it; altered it is refused, re-encoded it is known again."""

import dataclasses
import hashlib
import os
import pickle
import shutil
import socket
from pathlib import Path

import av
import pytest
from PIL import Image
from skimage.data import astronaut

from dawn.credentials.carried import carries
from dawn.credentials.claim import Claim
from dawn.credentials.reading import read_credentials
from dawn.credentials.signing import Signer
from dawn.sampling.settings import GenerateConfig
from manifests.errors import InputError
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.cluster.actors import OneHere
from pipeline.generate.command import ManyOptions, generate_many, plan_run
from pipeline.generate.single import Single, generate_one
from pipeline.generate.worker import Maker
from tests import evaluations
from tests.certificates import Signing, write_signer
from tests.conftest import Dawn
from tests.dawn.sampling.test_voice import chirp, write_wav
from tests.models import write_model

CONFIG = GenerateConfig(steps=1, stretch=16, overlap=4, window=4)
NOTHING = Claim(
    checkpoint="c", checkpoint_name=None, networks={}, portrait_sha256=None, audio_sha256=None,
    settings_hash=None, seed=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Signing:
    return write_signer(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


def options(model: Path, dataset: Dataset, out: Path, **more: object) -> ManyOptions:
    return ManyOptions(
        config=CONFIG, checkpoint=str(model), dataset=dataset.uri, out=str(out), split="train",
        baseline="reconstruct", limit=2, max_seconds=1.2, device="cpu", **more,
    )  # fmt: skip


def here(wanted: ManyOptions) -> dict[str, int]:
    return generate_many(wanted, OneHere(Maker, plan_run(wanted).task)).counts


def rows(run: Path) -> list[dict]:
    return RunFolder(str(run), "run.json").read("generations").to_pylist()


@pytest.fixture(scope="module")
def run(files: Signing, model: Path, dataset: Dataset, tmp_path_factory) -> Path:
    """Two videos, signed."""
    root = tmp_path_factory.mktemp("runs") / "signed"
    signer = Signer(files.chain, files.key)
    assert here(options(model, dataset, root, signer=signer)) == {"ok": 2, "already done": 0}
    return root


def video_of(run: Path) -> Path:
    return run / min(row["video"] for row in rows(run))


def test_a_signed_run_says_what_made_its_videos(
    run: Path, files: Signing, model: Path, dataset: Dataset, dawn: Dawn
) -> None:
    assert [row["signed_by"] for row in rows(run)] == ["Test signer, DAWN tests"] * 2
    answer = dawn("verify", *sorted((run / "videos").iterdir()))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("valid: unaltered since it was signed by Test signer") == 2
    assert answer.stdout.count("an unknown certificate") == 2
    assert "kind: trainedAlgorithmicMedia" in answer.stdout
    row = rows(run)[0]
    found = read_credentials(run / row["video"])
    (media,) = (Path(dataset.path) / "media").rglob(f"{row['clip_id']}*.mp4")
    sha256 = hashlib.sha256(media.read_bytes()).hexdigest()
    assert found.ours
    assert found.made["portrait_sha256"] == row["image_sha256"] == sha256
    assert found.made["checkpoint"] == row["checkpoint"]
    assert found.made["checkpoint_name"] == "tiny"
    assert found.made["networks"]["lfg"].startswith(row["checkpoint"])
    assert found.made["seed"] == row["seed"]
    assert row["item"] not in str(found)  # names may be of people
    trusted = dawn("verify", run / row["video"], "--trust", files.root)
    assert trusted.returncode == 0
    assert "which --trust vouches for" in trusted.stdout


def test_results_record_which_videos_carry_credentials(
    run: Path, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tmp_path / "card.yaml"
    card.write_text("name: small\nsize: 64\n")
    given = evaluations.options(
        tmp_path / "results", str(card), f"{dataset.uri}:train", run=str(run), metrics="psnr"
    )
    folder = evaluations.run(given)
    found = {row["clip_id"]: row["credentials"] for row in folder.read("clips").to_pylist()}
    signed = {row["clip_id"] for row in rows(run)}
    assert {name for name, carried in found.items() if carried} == signed
    assert "2 of " in capsys.readouterr().out


def test_a_video_is_signed_once(
    run: Path, files: Signing, model: Path, dataset: Dataset, tmp_path: Path, capsys
) -> None:
    root = shutil.copytree(run, tmp_path / "again")
    before = {path.name: path.read_bytes() for path in (root / "videos").iterdir()}
    first, _ = rows(root)
    RunFolder(str(root), "run.json").write(
        "generations", first["item"], [first | {"signed_by": None}]
    )  # as if killed between the video and its row
    wanted = options(model, dataset, root, signer=Signer(files.chain, files.key))
    assert here(wanted) == {"already done": 2}
    assert "2 of 2 videos carry content credentials" in capsys.readouterr().out
    assert [row["signed_by"] for row in rows(root)] == ["Test signer, DAWN tests"] * 2
    assert {path.name: path.read_bytes() for path in (root / "videos").iterdir()} == before


def test_videos_are_unsigned_unless_asked_for_and_can_be_signed_later(
    files: Signing, model: Path, dataset: Dataset, tmp_path: Path, dawn: Dawn
) -> None:
    wanted = dataclasses.replace(options(model, dataset, tmp_path / "run"), limit=1)
    here(wanted)
    (row,) = rows(tmp_path / "run")
    video = tmp_path / "run" / row["video"]
    assert row["signed_by"] is None
    assert not carries(video)
    answer = dawn("verify", video)
    assert answer.returncode == 3
    assert "no content credentials" in answer.stdout
    here(dataclasses.replace(wanted, signer=Signer(files.chain, files.key)))
    assert read_credentials(video).verdict == "valid"


def test_the_key_stays_with_the_signer(run: Path, files: Signing) -> None:
    for path in run.rglob("*"):
        assert path.is_dir() or files.secret.encode() not in path.read_bytes()
    signer = Signer(files.chain, files.key)
    assert files.secret not in repr(signer)
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(signer)


@pytest.mark.parametrize("box", [b"mdat", b"moov"])
def test_an_altered_byte_is_found(run: Path, tmp_path: Path, dawn: Dawn, box: bytes) -> None:
    content = bytearray(video_of(run).read_bytes())
    content[content.rindex(box) + 500] ^= 1
    (tmp_path / "altered.mp4").write_bytes(content)
    answer = dawn("verify", video_of(run), tmp_path / "altered.mp4")
    assert answer.returncode == 1
    assert "altered.mp4: NOT VALID: altered since it was signed" in answer.stdout


def test_a_signer_that_is_not_trusted_is_refused(
    run: Path, tmp_path: Path, files: Signing, dawn: Dawn
) -> None:
    other = write_signer(tmp_path / "other", "Somebody else")
    answer = dawn("verify", video_of(run), "--trust", other.root)
    assert answer.returncode == 1
    assert "NOT TRUSTED" in answer.stdout
    assert dawn("verify", video_of(run), "--trust", files.key).returncode == 2


def encoded_again(video: Path, out: Path) -> Path:
    with av.open(str(video)) as source, av.open(str(out), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"crf": "30"})
        stream.width, stream.height, stream.pix_fmt = 160, 160, "yuv420p"
        for frame in source.decode(video=0):
            target.mux(stream.encode(frame.reformat(160, 160, format="yuv420p")))
        target.mux(stream.encode(None))
    return out


def test_a_re_encoded_video_is_known_again_by_its_pictures(
    run: Path, dataset: Dataset, tmp_path: Path, dawn: Dawn
) -> None:
    row = rows(run)[1]
    copy = encoded_again(run / row["video"], tmp_path / "copy.mp4")
    bare = dawn("verify", copy)
    assert bare.returncode == 3
    assert "lost when a video is encoded again" in bare.stdout
    known = dawn("verify", copy, "--results", run.parent)
    assert known.returncode == 3
    assert f"re-encoded from {run}, {row['item']} (similarity 0.9" in known.stdout
    assert f"checkpoint, by the row of the run: {row['checkpoint']}" in known.stdout
    other = next(c for c in (Path(dataset.path) / "media").rglob("*.mp4")
                 if not any(c.name.startswith(r["clip_id"]) for r in rows(run)))  # fmt: skip
    foreign = dawn("verify", encoded_again(other, tmp_path / "other.mp4"), "--results", run)
    assert foreign.returncode == 3
    assert "a copy of none of 2 videos" in foreign.stdout


def test_one_video_is_signed_before_it_appears_and_a_stream_when_it_is_whole(
    model: Path, files: Signing, tmp_path: Path
) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "face.png")
    write_wav(tmp_path / "voice.wav", chirp(0.3, 16000), 16000)
    request = Single(
        checkpoint=model, image=tmp_path / "face.png", audio=tmp_path / "voice.wav",
        out=tmp_path / "one.mp4", config=CONFIG, device="cpu",
        signer=Signer(files.chain, files.key),
    )  # fmt: skip
    generate_one(request)
    streamed = dataclasses.replace(
        request, out=tmp_path / "stream.mp4", stream=True,
        config=dataclasses.replace(CONFIG, first_stretch=16),
    )  # fmt: skip
    generate_one(streamed)
    portrait = hashlib.sha256((tmp_path / "face.png").read_bytes()).hexdigest()
    for name in ("one.mp4", "stream.mp4"):
        found = read_credentials(tmp_path / name, files.root.read_bytes())
        assert (found.verdict, found.trusted) == ("valid", True)
        assert found.made["portrait_sha256"] == portrait
        with av.open(str(tmp_path / name)) as container:
            assert len(list(container.decode(video=0))) == 8
    assert len(list(tmp_path.glob("*.mp4"))) == len(list(tmp_path.glob("**/*.mp4"))) == 2
    os.mkfifo(tmp_path / "pipe.mp4")
    for out, says in ((None, "give --out a file"), (tmp_path / "pipe.mp4", "is a pipe")):
        with pytest.raises(InputError, match=says):
            generate_one(dataclasses.replace(streamed, out=out))


def test_pairs_that_cannot_sign_are_refused_in_one_line(
    files: Signing, tmp_path: Path, dawn: Dawn
) -> None:
    other = write_signer(tmp_path / "other")
    expired = write_signer(tmp_path / "expired", days=-1)
    for chain, key, says in (
        (files.chain, other.key, "is not the key of"),
        (files.key, files.key, "holds no certificate"),
        (files.chain, files.chain, "holds no private key"),
        (tmp_path / "none", files.key, "cannot be read"),
        (files.root, files.key, "is not the key of"),
        (expired.chain, expired.key, "cannot sign content credentials"),
    ):
        answer = dawn(
            "generate", "--image", "a.png", "--audio", "b.wav", "--out", tmp_path / "x.mp4",
            "--sign", chain, key,
        )  # fmt: skip
        assert answer.returncode == 2
        assert says in answer.stderr
        assert answer.stderr.count("\n") == 1
        assert files.secret not in answer.stderr + answer.stdout


def test_nobody_is_asked_about_a_certificate(run: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        files = write_signer(tmp_path / "asking", ocsp=address)
        video = encoded_again(video_of(run), tmp_path / "asking.mp4")
        Signer(files.chain, files.key).sign(video, NOTHING)
        assert read_credentials(video, files.root.read_bytes()).trusted
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_what_a_file_says_cannot_drive_a_terminal(
    run: Path, files: Signing, tmp_path: Path, dawn: Dawn
) -> None:
    video = encoded_again(video_of(run), tmp_path / "loud.mp4")
    claim = dataclasses.replace(NOTHING, checkpoint_name="\x1b[2J" + "x" * 5000)
    Signer(files.chain, files.key).sign(video, claim)
    answer = dawn("verify", video)
    assert answer.returncode == 0
    assert "\x1b" not in answer.stdout
    assert len(answer.stdout) < 2000
    cut = video.read_bytes()[:4000]
    (tmp_path / "cut.mp4").write_bytes(cut)
    assert dawn("verify", tmp_path / "cut.mp4").returncode == 1
