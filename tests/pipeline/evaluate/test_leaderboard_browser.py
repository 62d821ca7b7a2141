"""The page as a person uses it, in headless Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from pipeline.evaluate.leaderboard import make_leaderboard
from tests.boards import CLIPS, HOSTILE, HOSTILE_CLIP, write_all
from tests.browser import DESKTOP, PHONE, chromium, complaints, open_page, requested, resize
from tests.films import drift, hum, write_film
from tests.results_folders import write_results

pytestmark = pytest.mark.browser

PATIENCE = 600
"""Seconds: longer than any machine takes, shorter than for ever."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    video = write_film(folder / "clip.mkv", drift(25, 0), hum(25))
    return make_leaderboard([str(f) for f in write_all(folder, video)], folder / "page")


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(chrome: Chrome, page: Path) -> Iterator[Chrome]:
    """The page at desktop width; nothing may be asked for or complained of meanwhile."""
    resize(chrome, DESKTOP)
    complaints(chrome), requested(chrome)
    open_page(chrome, page)
    yield chrome
    assert complaints(chrome) == []
    assert set(requested(chrome)) == {page.absolute().as_uri()}
    assert chrome.title == "Leaderboard"  # no script of a name's has run


def shown_systems(chrome: Chrome) -> list[str]:
    rows = chrome.find_elements(By.CSS_SELECTOR, ".leaderboard .systems tr")
    return [str(row.get_attribute("data-name")) for row in rows if row.is_displayed()]


def heads(chrome: Chrome) -> list[str]:
    found = chrome.find_elements(By.CSS_SELECTOR, ".leaderboard thead th[data-metric]")
    return [str(head.get_attribute("data-metric")) for head in found if head.is_displayed()]


def press(chrome: Chrome, selector: str) -> None:
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})",
                          chrome.find_element(By.CSS_SELECTOR, selector))  # fmt: skip
    chrome.find_element(By.CSS_SELECTOR, selector).click()


def sort_by(chrome: Chrome, name: str) -> None:
    press(chrome, f".leaderboard thead th[data-metric='{name}'] .sort")


def test_sorting_puts_the_best_first_then_the_worst(opened: Chrome) -> None:
    sort_by(opened, "m_lmd_iod")
    assert shown_systems(opened)[-1] == HOSTILE
    head = opened.find_element(By.CSS_SELECTOR, "th[aria-sort='ascending']")
    assert head.get_attribute("data-metric") == "m_lmd_iod"
    sort_by(opened, "m_lmd_iod")
    assert shown_systems(opened)[0] == HOSTILE


def test_filters(opened: Chrome) -> None:
    everything = heads(opened)
    press(opened, ".chip[data-family='Identity']")
    assert heads(opened) == ["csim_src_mbf128"]
    press(opened, ".chip[data-family='All']")
    assert set(heads(opened)) > set(everything)
    press(opened, ".only-paper")
    assert set(heads(opened)) == {"psnr", "fid_incep2015"}  # neither ours alone nor stand-ins
    opened.find_element(By.CSS_SELECTOR, ".find-system").send_keys("equ")
    assert shown_systems(opened) == ["equal"]
    assert "of 6 metrics" in opened.find_element(By.CSS_SELECTOR, ".count").text


def test_a_video_plays_beside_its_curves(opened: Chrome) -> None:
    press(opened, "figure.clip .curves summary")
    where = (By.CSS_SELECTOR, "figure.clip .plot svg path")
    paths = WebDriverWait(opened, PATIENCE).until(lambda chrome: chrome.find_elements(*where))
    drawn = [path.get_attribute("d") for path in paths if path.get_attribute("class") != "now"]
    assert len(drawn) == 4
    assert all(d and d.count("L") > 5 for d in drawn)
    video = opened.find_element(By.CSS_SELECTOR, "figure.clip video")
    opened.execute_script("arguments[0].play()", video)
    WebDriverWait(opened, PATIENCE).until(
        lambda chrome: chrome.execute_script(
            "return arguments[0].currentTime > 0.3 && arguments[0].videoWidth === 512", video
        )
    )
    assert opened.execute_script("return arguments[0].error", video) is None
    line = opened.find_element(By.CSS_SELECTOR, "figure.clip .plot path.now")
    WebDriverWait(opened, PATIENCE).until(lambda _: str(line.get_attribute("d")).startswith("M"))


def test_every_clip_can_be_found_and_opened(opened: Chrome) -> None:
    Select(opened.find_element(By.CSS_SELECTOR, ".pick-metric")).select_by_value("psnr")
    rows = opened.find_elements(By.CSS_SELECTOR, ".clips tbody tr")
    assert len(rows) == 25
    press(opened, ".pager .next")
    assert len(opened.find_elements(By.CSS_SELECTOR, ".clips tbody tr")) == CLIPS - 25
    opened.find_element(By.CSS_SELECTOR, ".find-clip").send_keys("<img")
    (button,) = opened.find_elements(By.CSS_SELECTOR, ".clips tbody button")
    assert button.text == HOSTILE_CLIP
    press(opened, ".clips tbody button")
    one = opened.find_element(By.CSS_SELECTOR, ".one-clip")
    assert one.is_displayed()
    assert HOSTILE_CLIP in one.text
    assert len(one.find_elements(By.TAG_NAME, "svg")) == 5 * 3
    assert not opened.find_elements(By.TAG_NAME, "img")


def test_order_by_a_system_s_worst(opened: Chrome) -> None:
    Select(opened.find_element(By.CSS_SELECTOR, ".pick-metric")).select_by_value("psnr")
    Select(opened.find_element(By.CSS_SELECTOR, ".pick-order")).select_by_value("worst-0")
    rows = opened.find_elements(By.CSS_SELECTOR, ".clips tbody tr")
    numbers = [float(row.find_elements(By.TAG_NAME, "td")[2].text) for row in rows]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_screen_and_text_can_be_read(
    opened: Chrome, size: tuple[int, int], theme: str
) -> None:
    resize(opened, size)
    if (
        opened.find_element(By.ID, "theme").get_attribute("aria-pressed")
        != str(theme == "dark").lower()
    ):
        press(opened, "#theme")
    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert opened.execute_script("return document.documentElement.scrollWidth") <= size[0]
    assert contrast(opened, "body") > 12
    assert contrast(opened, ".of") > 4.5
    assert contrast(opened, ".best-mark") > 4.5
    assert contrast(opened, ".badge.proxy") > 4.5
    system = opened.find_element(By.CSS_SELECTOR, ".leaderboard tbody .sticky")
    opened.execute_script("document.querySelector('.board').scrollLeft = 300")
    assert 0 <= system.rect["x"] < 60  # stays in sight


_CONTRAST = """
const luminance = (text) => {
  const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((v) => {
    v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ink = luminance(getComputedStyle(document.querySelector(arguments[0])).color);
const page = luminance(getComputedStyle(document.body).backgroundColor);
return (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05);
"""


def contrast(chrome: Chrome, selector: str) -> float:
    """WCAG's contrast of an element's text on the page's ground."""
    return float(chrome.execute_script(_CONTRAST, selector))


def test_long_names_make_nothing_wider_than_the_screen(chrome: Chrome, tmp_path: Path) -> None:
    name, clips = "x" * 300, [{"clip_id": "y" * 300, "csim": [0.9] * 50, "status": "failed"}]
    for path in ("a", "b"):
        write_results(tmp_path / path, {"psnr": [20.0]}, system=name, clips=clips)
    folders = [str(tmp_path / path) for path in ("a", "b")]
    page = make_leaderboard(folders, tmp_path / "page")
    for size in (PHONE, DESKTOP):
        resize(chrome, size)
        open_page(chrome, page)
        chrome.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= size[0]


def test_paper_is_white_and_the_screen_stays_as_it_was(opened: Chrome) -> None:
    ink = "getComputedStyle(document.body).color"
    if opened.find_element(By.ID, "theme").get_attribute("aria-pressed") == "false":
        press(opened, "#theme")
    dark = opened.execute_script(f"return {ink}")
    opened.execute_script(f"addEventListener('beforeprint', () => {{ window.printed = {ink}; }})")
    opened.execute_cdp_cmd("Page.printToPDF", {})
    assert opened.execute_script("return window.printed") == "rgb(28, 29, 31)" != dark
    assert opened.execute_script(f"return {ink}") == dark


def test_closing_a_clip_returns_to_where_one_was(opened: Chrome) -> None:
    button = opened.find_element(By.CSS_SELECTOR, ".clips tbody button")
    button.send_keys(Keys.ENTER)
    opened.find_element(By.CSS_SELECTOR, ".one-clip > button").send_keys(Keys.ENTER)
    assert opened.switch_to.active_element == button


def test_each_control_has_a_name(opened: Chrome) -> None:
    unnamed = opened.execute_script(
        """const named = (e) => e.textContent.trim() || e.labels?.length || e.ariaLabel;
        const controls = document.querySelectorAll('button, input, select, summary, video');
        return [...controls].filter((e) => !named(e)).length"""
    )
    assert unnamed == 0
    assert opened.execute_script("return document.documentElement.lang") == "en"
    assert len(opened.find_elements(By.TAG_NAME, "h1")) == 1
