"""The page of blind pairs as a rater uses it, in headless Chromium."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from eval.votes.table import counted
from pipeline.votes.make import MakeOptions, make_study
from pipeline.votes.study import Study
from tests.browser import DESKTOP, PHONE, chromium, complaints, open_page, requested, resize
from tests.films import drift, hum, write_film
from tests.results_folders import write_results

pytestmark = pytest.mark.browser

CLIPS, PAIRS, CHECKS, PATIENCE = 8, 20, 3, 600
SYSTEMS = ("sys-alpha", "sys-beta", "sys-gamma")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("votes")
    video = str(write_film(folder / "clip.mkv", drift(12, 0), hum(12)))
    clips = [{"clip_id": f"c{i}", "video": video, "reference": video} for i in range(CLIPS)]
    for name in SYSTEMS:
        write_results(folder / name, {"psnr": [20.0] * CLIPS}, system=name, clips=clips)
    options = MakeOptions(
        results=tuple(str(folder / name) for name in SYSTEMS), out=folder / "study",
        questions=("overall",), pairs=PAIRS, checks=CHECKS,
    )  # fmt: skip
    make_study(options)
    return Study(folder / "study")


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with chromium() as browser:
        yield browser


def saved(chrome: Chrome, folder: Path) -> bytes:
    """The file that a rater gets from the page."""
    chrome.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    chrome.find_element(By.ID, "save").click()
    (file,) = WebDriverWait(chrome, PATIENCE).until(lambda _: list(folder.glob("answers-*.json")))
    return file.read_bytes()


def test_names_of_systems_are_nowhere_on_the_page(study: Study) -> None:
    page = (study.folder / "page/index.html").read_text()
    plan = page.split('id="plan">')[1].split("</script>")[0]
    for name in SYSTEMS:
        assert name not in plan
    assert "clip_id" not in plan
    names = {file.name for file in (study.folder / "page/v").iterdir()}
    assert len(names) == CLIPS * len(SYSTEMS) + 2 * CHECKS
    for item in json.loads(plan)["items"]:
        assert {item["a"], item["b"]} <= names


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_twenty_votes_from_a_disk(
    chrome: Chrome, study: Study, size: tuple[int, int], tmp_path: Path
) -> None:
    resize(chrome, size)
    open_page(chrome, study.folder / "page/index.html")
    chrome.execute_script("localStorage.clear()")
    open_page(chrome, study.folder / "page/index.html")
    complaints(chrome), requested(chrome)
    chrome.find_element(By.ID, "begin").click()
    WebDriverWait(chrome, PATIENCE).until(
        lambda c: c.execute_script(
            "const v = document.getElementById('left'); return v.currentTime > 0 && !v.muted"
        )
    )
    by_key = size == DESKTOP
    for number in range(PAIRS + CHECKS):
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= size[0]
        told = chrome.find_element(By.CSS_SELECTOR, ".progress").text
        assert told == f"pair {number + 1} of {PAIRS + CHECKS}"
        key, button = [
            (Keys.ARROW_LEFT, "left"), (Keys.ARROW_DOWN, "tie"), (Keys.ARROW_RIGHT, "right"),
        ][number % 3]  # fmt: skip
        if by_key:
            ActionChains(chrome).send_keys(key).perform()
        else:
            chosen = chrome.find_element(By.CSS_SELECTOR, f"[data-answer='{button}']")
            assert chosen.rect["height"] >= 44
            assert chosen.rect["y"] + chosen.rect["height"] <= size[1]
            chosen.click()
    content = saved(chrome, tmp_path)
    told = json.loads(content)
    assert len(told["answers"]) == PAIRS + CHECKS
    winners = [answer["winner"] for answer in told["answers"]]
    assert winners.count("tie") == (PAIRS + CHECKS + 1) // 3
    assert {"a", "b"} < set(winners)
    votes, new = study.add(content, "answers.json")
    assert (votes, new) == (PAIRS + CHECKS, True)
    assert study.add(content, "answers.json") == (PAIRS + CHECKS, False)
    assert complaints(chrome) == []
    asked = requested(chrome)
    assert not [address for address in asked if not address.startswith(("file:", "blob:"))]


def test_answers_go_on_where_they_were_and_can_be_changed(chrome: Chrome, study: Study) -> None:
    open_page(chrome, study.folder / "page/index.html")
    chrome.execute_script("localStorage.clear()")
    open_page(chrome, study.folder / "page/index.html")
    chrome.find_element(By.ID, "begin").click()
    for _ in range(3):
        ActionChains(chrome).send_keys(Keys.ARROW_LEFT).perform()
    open_page(chrome, study.folder / "page/index.html")
    assert chrome.find_element(By.ID, "begin").text == "Go on, with sound"
    chrome.find_element(By.ID, "begin").click()
    assert chrome.find_element(By.CSS_SELECTOR, ".progress").text.startswith("pair 4 ")
    ActionChains(chrome).send_keys(Keys.BACKSPACE).perform()
    assert chrome.find_element(By.CSS_SELECTOR, ".progress").text.startswith("pair 3 ")
    assert chrome.find_element(By.CSS_SELECTOR, ".chosen").text == "Left"


def test_votes_of_both_raters_are_in_one_table(study: Study) -> None:
    rows = study.rows()
    assert len({row["rater"] for row in rows}) == 2
    found = counted(rows)
    assert found.votes == 2 * PAIRS
