"""The page of clips: it holds every clip with its reasons, works from the disk, and stays light."""

import re
from pathlib import Path

import pytest
from PIL import Image

from manifests.catalog import rows
from manifests.store import Dataset
from pipeline.dataset.sheet import make_sheet
from tests.browser import DESKTOP, PHONE, chromium, complaints, open_page, requested, resize
from tests.conftest import Dawn, Once
from tests.pipeline.dataset.editing import edited, with_text


@pytest.fixture
def sheet(dataset: Dataset, once: Once) -> Path:
    return once("sheet", lambda out: make_sheet(dataset.path, out, None, 200))


def articles(page: str) -> dict[str, str]:
    found = re.findall(r"<article (.*?)</article>", page, re.S)
    return {re.search(r'id="([\w-]+)"', text)[1]: text for text in found}


def test_every_clip_and_every_lost_video_is_shown_with_its_reasons(
    sheet: Path, dataset: Dataset
) -> None:
    page = (sheet / "index.html").read_text()
    shown = articles(page)
    clips = rows(dataset, "FROM clips")
    assert shown.keys() == {clip["clip_id"] for clip in clips}
    for clip in clips:
        text = shown[clip["clip_id"]]
        assert ("verdict PASS" in text) == clip["accepted"]
        assert re.findall(r'class="why"><b>(\w+)', text) == sorted(
            clip["reasons"], key=re.findall(r'class="why"><b>(\w+)', text).index
        )
        assert text.count("<svg") == 3
        assert text.count("<rect") == 3 * len(clip["blinks"])
    lost = rows(dataset, "SELECT sources, reason FROM videos WHERE status <> 'ok'")
    assert lost
    for video in lost:
        name = Path(video["sources"][0]).name
        assert re.search(rf"<strong>{name}</strong> <code>{video['reason']}</code>", page)


def test_the_page_is_light_and_needs_only_what_lies_beside_it(
    sheet: Path, dataset: Dataset, footage: Path
) -> None:
    page = (sheet / "index.html").read_text()
    links = re.findall(r'(?:src|href|poster)="([^#"]+)"', page)
    assert len(links) > 3 * len(articles(page))
    for link in links:
        assert (sheet / link).is_file(), link
    assert len(page) < 40_000 + 15_000 * len(articles(page))
    for place in (dataset.path, str(footage), "http:", "https:", "<script"):
        assert place not in page


def test_contact_sheets_show_each_kind(sheet: Path) -> None:
    for kind in ("accepted", "rejected"):
        with Image.open(sheet / f"contact-{kind}-01.png") as picture:
            assert len(picture.convert("RGB").getcolors(1 << 22)) > 1000


def test_a_condition_chooses_clips(dataset: Dataset, dawn: Dawn, tmp_path: Path) -> None:
    where = "clip_id IN (SELECT clip_id FROM decisions WHERE verdict = 'fail') -- why"
    answer = dawn("dataset", "sheet", dataset.path, "--out", tmp_path / "s", "--where", where)
    assert answer.returncode == 0, answer.stderr
    page = (tmp_path / "s/index.html").read_text()
    rejected = {row["clip_id"] for row in rows(dataset, "FROM clips WHERE NOT accepted")}
    assert articles(page).keys() == rejected
    assert "without an accepted clip" not in page
    answer = dawn("dataset", "sheet", dataset.path, "--out", tmp_path / "s", "--limit", 2)
    assert answer.returncode == 0, answer.stderr
    (count,) = rows(dataset, "SELECT count(*) AS n FROM clips")
    assert f"2 of {count['n']} clips; narrow with --where" in answer.stdout
    assert len(articles((tmp_path / "s/index.html").read_text())) == 2
    assert len(list((tmp_path / "s/clips").iterdir())) == 2  # the earlier page's are gone


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("yaw_p96 > 3", "yaw_p96"),
        ("true); DROP TABLE videos; SELECT (1", "one statement"),
        ("frames > 1e9", "no clip matches"),
        ("clip_id IN (SELECT content FROM read_text('/etc/passwd'))", "Permission"),
    ],
)
def test_conditions_that_cannot_be_are_one_line(
    dataset: Dataset, dawn: Dawn, tmp_path: Path, where: str, said: str
) -> None:
    answer = dawn("dataset", "sheet", dataset.path, "--out", tmp_path / "s", "--where", where)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert not (tmp_path / "s").exists()


def test_labels_are_text_and_lost_media_are_said(dataset: Dataset, tmp_path: Path) -> None:
    hostile = "</article><script>alert(1)</script>"
    labelled = edited(dataset, tmp_path / "d", lambda table: with_text(table, "speaker", hostile))
    first = rows(labelled, "FROM clips ORDER BY clip_id LIMIT 1")[0]
    (tmp_path / "d" / first["video_path"]).write_bytes(b"no video")
    make_sheet(labelled.path, tmp_path / "s", None, 200)
    page = (tmp_path / "s/index.html").read_text()
    assert "<script" not in page
    assert "&lt;/article&gt;&lt;script&gt;" in page
    assert 'class="gone"' in articles(page)[first["clip_id"]]


@pytest.mark.browser
def test_the_page_plays_and_filters_in_a_browser(sheet: Path, dataset: Dataset) -> None:
    rejected = rows(dataset, "FROM clips WHERE NOT accepted")
    reason = rejected[0]["reasons"][0]
    of_reason = sum(reason in row["reasons"] for row in rejected)
    visible = (
        "return [...document.querySelectorAll('article')].filter("
        "e => getComputedStyle(e).display !== 'none').length"
    )
    play = (
        "const done = arguments[0], video = document.querySelector('video'); video.muted = true;"
        "video.onplaying = () => done(video.videoWidth); video.onerror = () => done(0);"
        "video.play().catch(() => done(0))"
    )
    with chromium() as chrome:
        for size in (PHONE, DESKTOP):
            resize(chrome, size)
            open_page(chrome, sheet / "index.html")
            wide = "return document.documentElement.scrollWidth <= window.innerWidth"
            assert chrome.execute_script(wide)
        assert chrome.execute_async_script(play) > 0
        chip = chrome.find_element("xpath", f"//label[span[starts-with(., '{reason} ')]]")
        chip.click()
        assert chrome.execute_script(visible) == of_reason
        assert complaints(chrome) == []
        assert all(address.startswith("file:") for address in requested(chrome))
