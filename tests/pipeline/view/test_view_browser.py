"""`dawn view` in headless Chromium: each page opened, one thing done on each."""

import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import av
import pytest
import uvicorn
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait
from skimage.data import astronaut

from manifests.catalog import rows
from manifests.store import Dataset
from pipeline.query import conventions
from pipeline.view.app import make_app
from pipeline.view.library import find
from pipeline.view.trial import Trial
from tests.boards import HOSTILE_CLIP
from tests.browser import DESKTOP, PHONE, chromium, complaints, requested, resize
from tests.dawn.sampling.test_voice import chirp, write_wav
from tests.pipeline.view.test_trial import two
from tests.run_folders import write_training

pytestmark = pytest.mark.browser

PATIENCE = 600
"""Seconds: longer than any machine takes, shorter than for ever."""
SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])


@dataclass(frozen=True)
class Site:
    """A served application and the dataset that it may change."""

    address: str
    dataset: Dataset
    runs: Path


@pytest.fixture(scope="module")
def site(
    dataset: Dataset, folders: Path, trial: Trial, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    own = Dataset(str(shutil.copytree(dataset.path, folder / "own")))
    shutil.copytree(folders / "runs", folder / "runs")
    targets = [own.path, *(str(folders / name) for name in ("results", "made"))]
    library = find([*targets, str(folder / "runs")], conventions().kinds)
    app = make_app(library, conventions(), edit=True, trial=trial)
    config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as port:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [port]})
        thread.start()
        yield Site(f"http://127.0.0.1:{port.getsockname()[1]}", own, folder / "runs")
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with chromium() as browser:
        yield browser


@dataclass
class Visit:
    """A browser at one of the site's pages."""

    chrome: Chrome
    site: Site
    size: tuple[int, int] = DESKTOP

    def open(self, address: str, size: tuple[int, int]) -> None:
        self.size = size
        resize(self.chrome, size)
        self.chrome.get(self.site.address + address)

    def one(self, selector: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def press(self, selector: str) -> None:
        node = self.one(selector)
        self.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", node)
        node.click()

    def run(self, script: str) -> object:
        return self.chrome.execute_script(script)

    def wait(self, script: str) -> None:
        """Until a script's value is true."""
        WebDriverWait(self.chrome, PATIENCE).until(lambda c: c.execute_script(f"return {script}"))

    def check_width(self) -> None:
        self.run("for (const d of document.querySelectorAll('details')) d.open = true")
        assert self.run("return document.documentElement.scrollWidth") <= self.size[0]


@pytest.fixture
def visit(chrome: Chrome, site: Site) -> Iterator[Visit]:
    """Nothing beyond this machine may be asked for, and nothing complained of, meanwhile."""
    complaints(chrome), requested(chrome)
    found = Visit(chrome, site)
    yield found
    found.check_width()
    assert complaints(chrome) == []
    asked = [one for one in requested(chrome) if not one.startswith("blob:")]
    assert asked
    assert {one for one in asked if not one.startswith(f"{site.address}/")} == set()


@SIZES
def test_the_overview_leads_to_each_kind(visit: Visit, size: tuple[int, int]) -> None:
    visit.open("/", size)
    links = {str(link.get_attribute("href")) for link in visit.all("a.tile")}
    for kind in ("/data/own", "/training?run=", "/results?system=", "/generations/made", "/try"):
        assert any(kind in link for link in links), kind
    visit.wait("document.querySelector('.strip video').readyState >= 2")
    visit.press("#theme")
    theme = visit.run("return document.documentElement.dataset.theme")
    visit.press("#theme")
    assert {theme, visit.run("return document.documentElement.dataset.theme")} == {"light", "dark"}


@SIZES
def test_a_slider_asks_what_if(visit: Visit, size: tuple[int, int]) -> None:
    visit.open("/data/own", size)
    accepted = rows(visit.site.dataset, "SELECT count(*) AS n FROM clips WHERE accepted")[0]["n"]
    visit.run("document.getElementById('filters').open = true")
    visit.wait(f"document.querySelector('#told .accepted').textContent === '{accepted}'")
    visit.run(
        """const range = document.querySelector("input[type=range][aria-label=length]");
        range.value = range.max;
        range.dispatchEvent(new Event("input", {bubbles: true}));"""
    )
    visit.wait("document.querySelector('#told .change').textContent.includes('−')")
    assert int(visit.one("#told .accepted").text) < accepted
    visit.press("#changed")
    visit.wait("location.search.includes('state=changed')")
    assert "b.length=" in visit.chrome.current_url
    assert "b.sharp" not in visit.chrome.current_url  # what was not moved is not asked
    assert len(visit.all(".then")) == len(visit.all("a.clip")) > 0


@SIZES
def test_a_clip_plays_with_what_was_measured(visit: Visit, size: tuple[int, int]) -> None:
    clip = rows(visit.site.dataset, "SELECT clip_id FROM clips WHERE accepted")[0]["clip_id"]
    visit.open(f"/data/own/clip/{clip}", size)
    visit.wait("document.querySelectorAll('.lane').length >= 4")
    visit.wait("document.querySelector('.stage video').readyState >= 2")
    visit.press(".transport button")
    visit.wait("document.querySelector('.stage video').currentTime > 0.3")
    visit.press(".transport button")
    visit.wait("parseFloat(document.querySelector('.lane .now').style.left) > 1")
    drawn = """(() => { const c = document.querySelector('.stage canvas'), k = c.cloneNode();
        const pen = k.getContext('2d', {willReadFrequently: true});
        pen.drawImage(c, 0, 0);
        const d = pen.getImageData(0, 0, k.width, k.height).data;
        return d.some((v, i) => i % 4 === 3 && v > 0); })()"""
    visit.wait(drawn)
    for box in visit.all(".layers input"):
        box.click()
    assert not visit.run(f"return {drawn}")
    visit.run("const s = document.querySelector('.transport input'); s.value = 0;"
              "s.dispatchEvent(new Event('input'))")  # fmt: skip
    visit.wait("parseFloat(document.querySelector('.lane .now').style.left) < 1")


def test_a_clip_is_marked_and_the_mark_taken_back(visit: Visit) -> None:
    clip = rows(visit.site.dataset, "SELECT clip_id FROM clips WHERE accepted")[-1]["clip_id"]
    visit.open(f"/data/own/clip/{clip}", DESKTOP)
    visit.one("form.mark input").send_keys("<b>blurred</b>")
    visit.press("form.mark button")
    visit.wait("document.querySelector('.marked p')?.textContent === '<b>blurred</b>'")
    (row,) = rows(visit.site.dataset, f"SELECT reasons FROM clips WHERE clip_id = '{clip}'")
    assert row["reasons"] == ["marked"]
    visit.press("#unmark")
    visit.wait("document.querySelector('form.mark') !== null")
    (row,) = rows(visit.site.dataset, f"SELECT reasons FROM clips WHERE clip_id = '{clip}'")
    assert row["reasons"] == []


@SIZES
def test_people_duplicates_and_sources(visit: Visit, size: tuple[int, int]) -> None:
    visit.open("/data/own/people", size)
    visit.wait("document.querySelector('.people video').readyState >= 2")
    visit.press(".people th a")
    visit.wait("location.search.includes('identity=')")
    assert visit.all("a.clip")
    visit.open("/data/own/duplicates", size)
    visit.one("input[name=least]").send_keys("0.99")
    visit.press("form button")
    visit.wait("location.search.includes('least=0.99')")
    visit.check_width()
    visit.open("/data/own/sources", size)
    visit.press("a.pill[href*=quarantined]")
    visit.wait("location.search === '?status=quarantined'")
    assert {tag.text for tag in visit.all("article .tag")} == {"quarantined"}


@SIZES
def test_curves_follow_a_run(visit: Visit, size: tuple[int, int], tmp_path: Path) -> None:
    visit.open("/training", size)
    visit.wait("document.querySelectorAll('.chart svg').length >= 2")
    assert len(visit.all(".chart:first-child svg path")) == 3  # two runs, one with validation
    visit.wait("document.querySelector('.samples img').complete")
    more = 5 if size == PHONE else 6
    losses = [9.0, 4.0, 3.0, 2.0, 1.0, 0.5][:more]
    write_training(tmp_path / "more", "lfg", {"loss": losses, "lr": [0.1] * more})
    (tmp_path / "more/metrics.parquet").replace(visit.site.runs / "lfg/metrics.parquet")
    steps = f"{10 * more} steps"
    visit.wait(f"document.querySelector('[data-of=lfg]').textContent === '{steps}'")
    Select(visit.one("select[name=by]")).select_by_value("time")
    visit.press("#runs input[value=a2v]")
    visit.wait("location.search === '?run=lfg'")
    visit.wait("document.querySelectorAll('.chart:first-child svg path').length === 1")


@SIZES
def test_the_worst_clip_opens_with_all_systems(visit: Visit, size: tuple[int, int]) -> None:
    visit.open("/results?system=good", size)
    Select(visit.one("select[name=metric]")).select_by_value("psnr")
    visit.wait("location.search.includes('metric=psnr')")
    values = [float(node.text) for node in visit.all("a.clip .dur")]
    assert values == sorted(values)
    visit.check_width()
    visit.open(f"/results/clip?clip={quote(HOSTILE_CLIP)}", size)
    visit.wait("document.querySelectorAll('.lane').length >= 5")
    assert len(visit.all(".stage video")) == 2  # of the others the files are gone
    assert "its file is gone" in visit.one(".side-by-side").text
    visit.wait("[...document.querySelectorAll('.stage video')].every((v) => v.readyState >= 2)")
    visit.press(".transport button")
    visit.wait("[...document.querySelectorAll('.stage video')].every((v) => v.currentTime > 0.2)")
    visit.press(".transport button")
    assert not visit.all("main img")  # no name became markup


@SIZES
def test_generations_are_listed_with_what_failed(visit: Visit, size: tuple[int, int]) -> None:
    visit.open("/generations/made", size)
    assert visit.one(".why").text == "failed: bad_input"
    visit.wait("document.querySelector('video.hear').readyState >= 2")
    visit.press("video.hear")
    visit.wait("document.querySelector('video.hear').currentTime > 0.1")
    visit.press("input[name=failed]")
    visit.press("form button")
    visit.wait("location.search.includes('failed=true')")
    assert len(visit.all("article.clip")) == 1


@SIZES
def test_a_portrait_is_made_to_speak(visit: Visit, size: tuple[int, int], tmp_path: Path) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "face.jpg")
    write_wav(tmp_path / "voice.wav", chirp(1.0, 16000), 16000)
    visit.open("/try", size)
    assert not visit.one("#go").is_enabled()
    visit.one("#portrait-file").send_keys(str(tmp_path / "face.jpg"))
    visit.wait("document.querySelector('#portrait-shown img')?.complete")
    visit.one("#voice-file").send_keys(str(tmp_path / "voice.wav"))
    visit.wait("document.querySelector('#voice-shown audio')?.readyState >= 1")
    visit.run("document.getElementById('steps').value = 1")
    visit.press("#go")
    visit.wait("document.getElementById('made-note').textContent.startsWith('made: 1.0 s')")
    visit.wait("document.getElementById('result').readyState >= 2")
    assert visit.run("return document.getElementById('result').videoWidth") > 0
    assert visit.one("#save").is_displayed()


def test_another_face_of_a_group_is_taken(visit: Visit, tmp_path: Path) -> None:
    two(astronaut()).save(tmp_path / "group.jpg")
    visit.open("/try", PHONE)
    assert not visit.one("#another").is_displayed()
    visit.one("#portrait-file").send_keys(str(tmp_path / "group.jpg"))
    for number in (1, 2, 1):
        shown = f"face {number} of 2, the largest first"
        visit.wait(f"document.getElementById('portrait-note').textContent === '{shown}'")
        visit.press("#another")


@pytest.fixture(scope="module")
def chrome_with_devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser whose camera sees a face and whose microphone hears a voice."""
    folder = tmp_path_factory.mktemp("devices")
    with av.open(folder / "face.mjpeg", "w") as film:
        stream = film.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuvj420p"
        for _ in range(25):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(astronaut(), format="rgb24")))
        film.mux(stream.encode(None))
    write_wav(folder / "voice.wav", chirp(2.0, 16000), 16000)
    with chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={folder}/face.mjpeg",
        f"--use-file-for-fake-audio-capture={folder}/voice.wav",
    ) as browser:
        yield browser


def test_camera_and_microphone(chrome_with_devices: Chrome, site: Site) -> None:
    visit = Visit(chrome_with_devices, site)
    visit.open("/try", PHONE)
    visit.press("#camera")
    visit.wait("document.querySelector('#portrait-shown video')?.readyState >= 2")
    visit.wait("document.getElementById('camera').textContent === 'Take the picture'")
    visit.press("#camera")
    visit.wait("document.getElementById('portrait-note').textContent === 'one face found'")
    visit.press("#record")
    visit.wait("document.getElementById('record').textContent === 'Stop recording'")
    visit.run("globalThis.begun = performance.now()")
    visit.wait("performance.now() - globalThis.begun > 1500")
    visit.press("#record")
    visit.wait("document.querySelector('#voice-shown audio')?.readyState >= 1")
    visit.wait("!document.getElementById('go').disabled")
    visit.check_width()
    assert complaints(visit.chrome) == []


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_a_sentence_becomes_a_voice(visit: Visit) -> None:
    visit.open("/try", DESKTOP)
    visit.press("#speak")
    visit.wait("document.querySelector('#voice-shown audio')?.readyState >= 1")


def test_each_control_has_a_name(visit: Visit) -> None:
    clip = rows(visit.site.dataset, "SELECT clip_id FROM clips")[0]["clip_id"]
    for address in ("/", "/data/own", f"/data/own/clip/{clip}", "/training", "/results", "/try"):
        visit.open(address, DESKTOP)
        unnamed = visit.run(
            """const named = (e) => e.textContent.trim() || e.labels?.length || e.ariaLabel
                || e.ariaHidden;
            const found = document.querySelectorAll('button, input, select, summary, video, a');
            return [...found].filter((e) => !named(e)).map((e) => e.outerHTML)"""
        )
        assert unnamed == []
        assert len(visit.all("h1")) == 1
