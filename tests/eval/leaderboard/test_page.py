import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from eval.leaderboard.board import Board
from eval.leaderboard.packed import clip_data
from eval.leaderboard.page import as_html
from eval.report import charts
from tests.boards import FRAMES, HOSTILE, HOSTILE_CLIP, board_of, write_all


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return board_of(write_all(tmp_path_factory.mktemp("results")), gallery=1)


@pytest.fixture(scope="module")
def page(board: Board) -> str:
    return as_html(board, ["dawn", "leaderboard", "it's"])


class Elements(HTMLParser):
    """Every element with its attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self._in_script = True
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = self._in_script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data
        else:
            self.text += data


def test_names_from_users_are_text_only(page: str) -> None:
    elements = Elements(page)
    assert [tag for tag, _ in elements.found].count("script") == 2
    assert "img" not in {tag for tag, _ in elements.found}
    assert not [name for _, attrs in elements.found for name in attrs if name.startswith("on")]
    assert HOSTILE in elements.text
    data = json.loads(elements.scripts[0])
    assert data["clips"][0] > "clip"
    assert HOSTILE_CLIP in data["clips"]


def test_policy_lets_in_nothing_but_the_page_s_own_script(page: str) -> None:
    elements = Elements(page)
    (policy,) = [
        str(attrs["content"])
        for tag, attrs in elements.found
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(elements.scripts[-1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline'" not in policy.split("script-src")[1]


def test_nothing_is_fetched(page: str) -> None:
    for tag, attrs in Elements(page).found:
        for name in ("src", "href", "data", "action", "poster", "srcset"):
            address = attrs.get(name)
            if address is not None:
                assert address.startswith(("data:", "#")), (tag, address)
    assert "url(" not in page.split("</style>")[0]


def test_a_missing_video_is_said(page: str) -> None:
    assert page.count('class="gone"') == 9
    assert ".mp4: the file is gone" in page


def test_each_number_of_the_table_is_there(board: Board, page: str) -> None:
    sheet = board.sheets[0]
    table = page.split('<table class="leaderboard">')[1].split("</table>")[0]
    assert len(re.findall(r"data-cost=", table)) == sum(
        cell is not None and cell.value is not None for c in sheet.columns for cell in c.cells
    )
    assert table.count('class="best-mark"') == sum(c.shown for c in sheet.columns)


def test_lines_have_gaps_and_a_point_alone_is_a_dot() -> None:
    assert charts.line([1.0, None, 0.0, 1.0], (0.0, 1.0)) == (
        "M0.00 0.00h0M66.67 100.00h0L100.00 0.00"
    )


def test_numbers_and_curves_survive_packing(board: Board) -> None:
    data = clip_data(board.sheets[0])
    scores = board.sheets[0].entries[0].results.scores["psnr"]
    packed = data["metrics"]["psnr"]["rows"][0]["values"]
    values = np.frombuffer(base64.b64decode(packed), "<f4")
    np.testing.assert_array_equal(values, scores.values.astype(np.float32))
    assert np.isnan(values).sum() == 1
    assert "references" in data["metrics"]["blink_rate"]["rows"][0]

    place = data["clips"].index("clip0001")
    low, high = data["curves"]["bounds"][1]
    levels = np.frombuffer(base64.b64decode(data["curves"]["rows"][0][place][1]), np.uint8)
    real = np.abs(np.sin(np.arange(FRAMES) / 3 + 1)) * 0.1
    np.testing.assert_allclose(low + (high - low) * levels / 254, real, atol=(high - low) / 200)
    identity = np.frombuffer(base64.b64decode(data["curves"]["rows"][0][place][3]), np.uint8)
    assert (identity == 255).tolist() == [True] + [False] * 9


def test_curves_stop_at_the_budget_and_the_gallery_comes_first(board: Board) -> None:
    sheet = board.sheets[0]
    each = 3 * FRAMES + 10
    data = clip_data(sheet, curve_bytes=9 * each + each // 2)
    shown = {(data["rows"].index(p.system), data["clips"].index(p.clip_id)) for p in sheet.gallery}
    there = {(row, clip) for row, found in enumerate(data["curves"]["rows"]) for clip in found}
    assert len(shown) == 9
    assert there == shown


def test_two_protocols_stand_apart_on_the_page(tmp_path: Path) -> None:
    from eval.protocol.card import ProtocolCard
    from eval.results.conditions import Conditions
    from tests.results_folders import CONDITIONS, write_results

    other = Conditions(ProtocolCard(name="made", size=128), CONDITIONS.weights, {})
    write_results(tmp_path / "a", {"psnr": [1.0, 2.0]}, system="one")
    write_results(tmp_path / "b", {"psnr": [1.0, 2.0]}, system="two", conditions=other)
    page = as_html(board_of([tmp_path / "a", tmp_path / "b"], gallery=0))
    assert page.count('<table class="leaderboard">') == 2
    assert "cannot be compared with those of the first table" in page
    assert "size" in page.split("cannot be compared with those of the first table")[1][:400]
