"""`dawn serve`: portraits and voices over HTTP, what is refused, and how it ends."""

import asyncio
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import httpx2
import numpy as np
import pytest
import uvicorn
from PIL import Image
from skimage.data import astronaut

from dawn.sampling.flow import stretches
from dawn.sampling.settings import stream_config
from dawn.sampling.talking_head import Inputs, TalkingHead
from pipeline.serve import command
from pipeline.serve.app import make_app
from pipeline.serve.command import is_loopback, warm
from pipeline.serve.settings import Limits
from pipeline.serve.videos import Studio, Video
from tests.conftest import ROOT, Dawn
from tests.dawn.sampling.test_voice import chirp, write_wav
from tests.models import write_model
from tests.pipeline.generate.test_run import two_faces
from tests.test_documents import commands

PLAN = {"steps": 1, "stretch": 16, "first_stretch": 9}
LIMITS = Limits(max_seconds=3, portrait_bytes=500_000, recording_bytes=200_000, portraits=2)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("material")
    write_model(folder / "model")
    Image.fromarray(astronaut()).save(folder / "face.jpg")
    write_wav(folder / "voice.wav", chirp(1.0, 22050), 22050)
    write_wav(folder / "long.wav", chirp(3.5, 16000), 16000)
    write_wav(folder / "speech.wav", chirp(55.0, 16000), 16000)
    return folder


@pytest.fixture(scope="module")
def model(material: Path) -> TalkingHead:
    return TalkingHead(material / "model", "cpu")


@asynccontextmanager
async def client(
    model: TalkingHead, limits: Limits = LIMITS, hosts: list[str] | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    studio = Studio(model, stream_config(**PLAN), limits)
    transport = httpx2.ASGITransport(make_app(studio, limits, hosts), raise_app_exceptions=False)
    try:
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as asking:
            yield asking
    finally:
        studio.close()


def frames_of(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


async def in_pieces(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for begin in range(0, len(data), size):
        await asyncio.sleep(0)
        yield data[begin : begin + size]


async def send_face(asking: httpx2.AsyncClient, material: Path) -> str:
    answer = await asking.post("/portraits", content=(material / "face.jpg").read_bytes())
    assert answer.status_code == 201, answer.text
    assert answer.json()["faces"] == 1
    return answer.json()["portrait"]


def test_a_portrait_and_a_voice_in_pieces_become_the_video_of_dawn_generate(
    model, material, tmp_path
):
    async def ask() -> bytes:
        async with client(model) as asking:
            face = await send_face(asking, material)
            voice = in_pieces((material / "voice.wav").read_bytes())
            answer = await asking.post(
                "/videos", params={"portrait": face, "seed": 4}, content=voice
            )
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "video/mp4"
            health = (await asking.get("/health")).json()
            assert (health["status"], health["size"], health["device"]) == ("ok", 64, "cpu")
            assert (health["places_taken"], health["places"]) == (0, 12)
            return answer.content

    made = asyncio.run(ask())
    out = tmp_path / "a.mp4"
    model.generate(material / "face.jpg", material / "voice.wav", out, seed=4, **PLAN)
    assert np.array_equal(frames_of(made), frames_of(out.read_bytes()))


def refusals(material: Path) -> list[tuple[str, dict[str, object], object, int, str]]:
    """Where, with what, the content, and what the answer is."""
    text, long = b"words " * 100, (material / "long.wav").read_bytes()
    face = (material / "face.jpg").read_bytes()
    wall = io.BytesIO()
    Image.new("RGB", (300, 300), "teal").save(wall, "PNG")
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    return [
        ("/portraits", {}, bytes(600_000), 413, "at most 500000 bytes"),
        ("/portraits", {}, in_pieces(bytes(600_000)), 413, "at most 500000 bytes"),
        ("/portraits", {}, b"", 422, "empty"),
        ("/portraits", {}, text, 422, "JPEG, PNG or WebP"),
        ("/portraits", {}, b"%!PS-Adobe-3.0 EPSF-3.0\n", 422, "JPEG, PNG or WebP"),
        ("/portraits", {}, face[:5000], 422, "the portrait: cannot be read as a picture"),
        ("/portraits", {}, wall.getvalue(), 422, "the portrait: no face was found"),
        ("/portraits", {"face": 2}, face, 422, "there is no face 2: one face was found; give 1"),
        ("/portraits", {"face": 0}, face, 422, "greater than or equal to 1"),
        ("/videos", {"portrait": "none"}, text, 404, "no such portrait"),
        ("/videos", {}, text, 422, "portrait"),
        ("/videos", {"portrait": None, "seed": -1}, text, 422, "greater than or equal to 0"),
        ("/videos", {"portrait": None}, text, 422, "the recording: is no sound"),
        ("/videos", {"portrait": None}, playlist, 422, "the recording: is no sound"),
        ("/videos", {"portrait": None}, wall.getvalue(), 422, "the recording: "),
        ("/videos", {"portrait": None}, long, 413, "may last 3 s"),
        ("/videos", {"portrait": None}, in_pieces(bytes(300_000)), 413, "at most 200000 bytes"),
        ("/videos", {"portrait": None}, b"", 422, "empty"),
    ]


def test_what_is_refused_and_that_no_path_of_ours_is_told(model, material):
    async def ask() -> None:
        async with client(model) as asking:
            face = await send_face(asking, material)
            for where, given, content, status, says in refusals(material):
                params = {key: face if value is None else value for key, value in given.items()}
                answer = await asking.post(where, params=params, content=content)
                assert (answer.status_code, says in answer.text) == (status, True), answer.text
                assert "/" not in answer.json()["detail"] if status != 422 else True
                assert "tmp" not in answer.text
            assert (await asking.get("/health")).json()["places_taken"] == 0

    asyncio.run(ask())


def test_a_full_queue_is_told_to_come_back(model, material):
    async def ask() -> None:
        limits = Limits(videos=1, waiting=0)
        sending, go_on = asyncio.Event(), asyncio.Event()
        voice = (material / "voice.wav").read_bytes()

        async def slowly() -> AsyncIterator[bytes]:
            yield voice[:100]
            sending.set()
            await go_on.wait()
            yield voice[100:]

        async with client(model, limits) as asking:
            face = {"portrait": await send_face(asking, material)}
            first = asyncio.create_task(asking.post("/videos", params=face, content=slowly()))
            await sending.wait()
            answer = await asking.post("/videos", params=face, content=voice)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            go_on.set()
            assert (await first).status_code == 200
            assert (await asking.post("/videos", params=face, content=voice)).status_code == 200

    asyncio.run(ask())


def test_an_upload_that_does_not_end_is_given_up(model, material):
    async def ask() -> None:
        async def never() -> AsyncIterator[bytes]:
            yield b"RIFF"
            await asyncio.Event().wait()

        async with client(model, Limits(upload_seconds=0.2)) as asking:
            face = {"portrait": await send_face(asking, material)}
            answer = await asking.post("/videos", params=face, content=never())
            assert answer.status_code == 408
            assert (await asking.get("/health")).json()["places_taken"] == 0

    asyncio.run(ask())


def test_one_of_several_faces_is_chosen(model, material, tmp_path):
    group = two_faces(tmp_path / "group.jpg").read_bytes()

    async def ask() -> None:
        async with client(model) as asking:
            for query, face in (({}, 1), ({"face": 2}, 2)):
                answer = await asking.post("/portraits", params=query, content=group)
                told = answer.json()
                assert (told["faces"], told["face"]) == (2, face)

    asyncio.run(ask())


def test_portraits_are_forgotten_the_oldest_first(model, material):
    async def ask() -> None:
        async with client(model) as asking:
            names = [await send_face(asking, material) for _ in range(3)]
            assert len(set(names)) == 3
            voice = (material / "voice.wav").read_bytes()
            gone = await asking.post("/videos", params={"portrait": names[0]}, content=voice)
            assert gone.status_code == 404
            kept = await asking.post("/videos", params={"portrait": names[1]}, content=voice)
            assert kept.status_code == 200

    asyncio.run(ask())


def test_a_fault_of_ours_is_500_and_says_nothing_of_itself(model, material, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret /etc/hosts")

    async def ask() -> None:
        async with client(model) as asking:
            face = await send_face(asking, material)
            monkeypatch.setattr(TalkingHead, "write_stream", broken)
            answer = await asking.post(
                "/videos",
                params={"portrait": face},
                content=(material / "voice.wav").read_bytes(),
            )
            assert answer.status_code == 500
            assert "secret" not in answer.text

    asyncio.run(ask())


def test_names_of_other_sites_are_not_answered(model):
    async def ask() -> None:
        async with client(model, hosts=["localhost", "127.0.0.1"]) as asking:
            assert (await asking.get("/health")).status_code == 200
            other = await asking.get("/health", headers={"Host": "evil.example"})
            assert other.status_code == 400

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.8.8.8", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.4", False), ("example.org", False)],  # noqa: S104
)  # fmt: skip
def test_which_addresses_are_this_machine_s_alone(host, local):
    assert is_loopback(host) == local


def test_a_gpu_is_warmed_up_by_every_length_of_stretch(model, monkeypatch):
    monkeypatch.setattr(TalkingHead, "write", lambda self, inputs, out, config: seen.append(inputs))
    seen: list[Inputs] = []
    config = stream_config()
    warm(model, config)
    plan = stretches(seen[0].voice.frames, config.stretch, config.overlap, config.first_stretch)
    assert {60, 120, 240} <= {stop - start for start, stop in plan}
    monkeypatch.undo()
    monkeypatch.setattr(command, "_WARM_SECONDS", 1)
    warm(model, stream_config(**PLAN))


@pytest.fixture
def address(model) -> Iterator[str]:
    """A server on a real socket."""
    limits = Limits(videos=1)
    app = make_app(Studio(model, stream_config(**PLAN), limits), limits)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", 0)) as port:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [port]})
        thread.start()
        yield f"http://127.0.0.1:{port.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_documented_requests_work_as_they_stand(address, material, tmp_path):
    script = "\n".join(one for one in commands("docs/generation.md") if "curl" in one)
    assert script.count("curl") == 2
    Image.fromarray(astronaut()).save(tmp_path / "face.png")
    shutil.copy(material / "voice.wav", tmp_path)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = script.replace("http://127.0.0.1:8000", address)
    subprocess.run(["/bin/bash", "-ec", script], cwd=tmp_path, env={"PATH": path}, check=True)
    assert len(frames_of((tmp_path / "served.mp4").read_bytes())) == 25


def wait_for_a_place(address: str) -> None:
    while httpx2.get(f"{address}/health").json()["places_taken"]:
        time.sleep(0.05)


def test_pictures_arrive_before_the_video_is_made_and_who_leaves_stops_it(
    address, material, monkeypatch
):
    write, looked, written = Video.write, threading.Event(), []

    def wait_for_the_viewer(video: Video, data: bytes, /) -> int:
        """However busy the machine: most of it is made only when the first pictures were seen."""
        written.append(data.count(b"moof"))
        if sum(written) > 4:
            looked.wait(600)
        return write(video, data)

    monkeypatch.setattr(Video, "write", wait_for_the_viewer)
    face = httpx2.post(f"{address}/portraits", content=(material / "face.jpg").read_bytes())
    params, received = {"portrait": face.json()["portrait"]}, b""
    voice = (material / "speech.wav").read_bytes()
    begin = time.monotonic()
    with httpx2.stream(
        "POST", f"{address}/videos", params=params, content=voice, timeout=60
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["transfer-encoding"] == "chunked"
        for piece in answer.iter_raw():
            received += piece
            if received.count(b"moof") > 2:
                break
        assert httpx2.get(f"{address}/health").json()["places_taken"] == 1  # it is being made
        looked.set()
    assert 3 <= len(frames_of(received)) < 1375
    wait_for_a_place(address)
    assert time.monotonic() > begin
    assert not [t for t in threading.enumerate() if t.name.startswith("dawn-beside")]


def test_it_says_what_to_install(monkeypatch, material, dawn: Dawn):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    answer = dawn("serve", "--checkpoint", material / "model")
    assert answer.returncode == 2
    assert answer.stderr == (
        "error: dawn serve needs FastAPI and uvicorn: pip install 'dawn-pipeline[serve]'\n"
    )


def test_a_port_that_is_taken_is_one_line(material, dawn: Dawn):
    with socket.create_server(("127.0.0.1", 0)) as port:
        number = port.getsockname()[1]
        answer = dawn("serve", "--checkpoint", material / "model", "--port", number)
    assert answer.returncode == 2
    assert "cannot be listened on: Address already in use" in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_command_serves_and_ends_when_told(material, tmp_path):
    words = [sys.executable, "-m", "pipeline.cli", "serve", "--checkpoint", material / "model",
               "--port", "0", "--steps", "1", "--device", "cpu"]  # fmt: skip
    process = subprocess.Popen(
        list(map(str, words)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("serving on http://127.0.0.1:"), process.communicate()
    address = line.split()[2]
    face = httpx2.post(f"{address}/portraits", content=(material / "face.jpg").read_bytes())
    params = {"portrait": face.json()["portrait"]}
    voice = (material / "speech.wav").read_bytes()
    with httpx2.stream(
        "POST", f"{address}/videos", params=params, content=voice, timeout=60
    ) as answer:
        assert next(answer.iter_raw())[4:8] == b"ftyp"
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert out == "ended\n"
    assert "Traceback" not in said
