"""Pages of `dawn view`: what they show, what they never tell, what is refused."""

import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI

from manifests.catalog import query, rows
from manifests.errors import InputError
from manifests.location import Place
from manifests.store import Dataset
from pipeline.query import conventions
from pipeline.view.app import make_app
from pipeline.view.library import Library, find
from pipeline.view.media import Media
from tests.boards import CLIPS, HOSTILE, HOSTILE_CLIP
from tests.conftest import Dawn
from tests.pipeline.view.conftest import Ask, answered, asking
from tests.run_folders import write_training

JSON = {"accept": "application/json"}
COMPARE = f"/results/clip?clip={quote(HOSTILE_CLIP)}"


def some_clip(dataset: Dataset, where: str = "accepted") -> dict[str, object]:
    return rows(dataset, f"SELECT * FROM clips WHERE {where} ORDER BY clip_id")[0]


def all_pages(dataset: Dataset, data: str) -> list[str]:
    clip = some_clip(dataset)["clip_id"]
    return [
        "/", data, f"{data}?sort=sharp&state=rejected", f"{data}/clip/{clip}", f"{data}/people",
        f"{data}/duplicates", f"{data}/sources", f"{data}/frames/{clip}", f"{data}/counts",
        "/training", "/training/curves", "/results", "/results?system=bad&metric=psnr&best=1",
        COMPARE, f"/results/curves?clip={quote(HOSTILE_CLIP)}", "/generations/made", "/try",
    ]  # fmt: skip


def test_pages_escape_names_and_tell_no_place_of_this_machine(ask, app, dataset, data, folders):
    for address in all_pages(dataset, data):
        answer = ask(address)
        assert answer.status_code == 200, (address, answer.text[:300])
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        for place in (str(folders), dataset.path, str(Path.home()), str(folders.parent)):
            assert place not in answer.text, address
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
        assert "<script>" not in answer.text
        assert " onclick" not in answer.text
    assert "&lt;script&gt;alert(1)" in ask(COMPARE).text


def test_what_if_counts_are_those_of_sql(ask, dataset, data):
    bound = 5.5  # seconds: some clips of the footage are longer
    told = ask(f"{data}/counts?b.length={bound}", headers=JSON).json()
    changed = rows(dataset, f"SELECT * FROM what_if('length', {bound})")
    accepted = rows(dataset, "SELECT count(*) AS n FROM clips WHERE accepted")[0]["n"]
    lost = sum(row["accepted_now"] for row in changed)
    assert lost > 0
    assert told["accepted"] == accepted
    assert (told["lost"], told["gained"]) == (lost, len(changed) - lost)
    assert told["accepted_then"] == accepted - lost + told["gained"]
    page = ask(f"{data}?b.length={bound}&state=changed").text
    for row in changed:
        assert str(row["clip_id"]) in page
    assert page.count('class="card clip"') == len(changed)


def test_bounds_as_they_are_change_nothing(ask, app, data):
    (snapshot,) = app.state.snapshots.values()
    for name, score in snapshot.scores.items():
        if score.movable and len(score.bounds) == 1:
            told = ask(f"{data}/counts?b.{name}={score.bounds[0]}", headers=JSON).json()
            assert (told["lost"], told["gained"]) == (0, 0), name


@pytest.mark.parametrize(
    "where",
    ["yaw_p95 > 0", "voiced > 0.5 -- loud", "clip_id IN (SELECT clip_id FROM decisions WHERE "
     "verdict = 'fail')", "clip_id IN (SELECT clip_id FROM frames WHERE mouth > 0.1)"],
)  # fmt: skip
def test_sql_chooses_what_a_query_does(ask, dataset, data, where):
    ids = query(dataset, f"SELECT clip_id FROM clips WHERE ({where}\n)")["clip_id"].to_pylist()
    assert ids
    page = ask(data, params={"where": where}).text
    assert page.count('class="card clip"') == len(ids)
    assert all(clip in page for clip in ids)


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("no_such > 1", "no_such"), ("1=1); DROP TABLE clips; SELECT (1=1", "one statement"),
        ("(", "SQL:"), ("clip_id IN (SELECT content FROM read_text('/etc/passwd'))", "SQL:"),
        ("frame IN (SELECT content FROM read_text('/etc/passwd')) AND frames > 1", "SQL:"),
    ],
)  # fmt: skip
def test_sql_that_is_refused_is_one_line(ask, dataset, data, where, says):
    answer = ask(f"{data}/counts", params={"where": where}, headers=JSON)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
    assert "root:" not in answer.text
    assert dataset.path not in answer.text
    assert ask(data).status_code == 200


@pytest.mark.parametrize(
    "given", ["sort=none", "b.none=1", "b.length=x", "b.length=nan", "min.x=1", "state=x", "page=x"]
)
def test_what_an_address_asks_that_is_none_is_refused(ask, data, given):
    answer = ask(f"{data}?{given}")
    assert answer.status_code == 422
    assert "This cannot be shown" in answer.text


def test_filters_and_pages_of_the_list(ask, dataset, data):
    rejected = rows(dataset, "SELECT clip_id, reasons FROM clips WHERE NOT accepted")
    assert rejected
    page = ask(f"{data}?state=rejected").text
    assert page.count('class="card clip"') == len(rejected)
    reason = rejected[0]["reasons"][0]
    assert rejected[0]["clip_id"] in ask(f"{data}?reason={reason}").text
    clip = some_clip(dataset)
    one = ask(data, params={"identity": clip["identity"], "find": clip["clip_id"].upper()}).text
    assert one.count('class="card clip"') == 1
    longest = some_clip(dataset, "duration_s = (SELECT max(duration_s) FROM clips)")
    first = ask(f"{data}?sort=duration_s").text.split('class="card clip"')[1]
    assert longest["clip_id"] in first
    assert 'class="card clip"' not in ask(f"{data}?page=9").text


def test_a_clip_is_sent_in_ranges(ask, dataset, data):
    clip = some_clip(dataset)
    whole = (Path(dataset.path) / str(clip["video_path"])).read_bytes()
    address = f"{data}/media/{clip['clip_id']}.mp4"
    answer = ask(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.content == whole
    part = ask(address, headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"


def test_frames_are_those_of_the_tables(ask, dataset, data):
    clip = some_clip(dataset)
    told = ask(f"{data}/frames/{clip['clip_id']}").json()
    found = rows(
        dataset,
        "SELECT mouth, pose[1] AS yaw, landmarks_68, loudness_db FROM frames "
        f"JOIN audio USING (clip_id, frame) WHERE clip_id = '{clip['clip_id']}' ORDER BY frame",
    )
    assert told["frames"] == len(found) == clip["frames"]
    for name in ("mouth", "yaw", "loudness_db"):
        wanted = [row[name] for row in found]
        assert told["columns"][name] == pytest.approx(wanted, rel=1e-3, abs=1e-3)
    assert len(told["columns"]["landmarks_68"][0]) == 2 * 68


@pytest.mark.parametrize(
    "address",
    ["/data/none", "{data}/clip/none", "{data}/media/..%2f..%2fdataset.json.mp4",
     "{data}/media/../dataset.json", "{data}/frames/..%2f..%2fetc", "/static/..%2fapp.py",
     "/static/app.py", "/static/%2e%2e/app.py", "/training/a2v/picture/..%2f..%2fx/10.png",
     "/training/none/picture/sample/10.png", "/training?run=none",
     "/training/a2v/picture/sample/11.png",
     "/results/none/video?clip=x", "/results/good/video?clip=../../x", "/results/clip?clip=none",
     "/results?metric=none", "/generations/none", "/generations/made/video?item=../a.mp4",
     "/openapi.json", "/docs", "/try/videos/none", "/try/portrait/none.png"],
)  # fmt: skip
def test_what_is_not_there_is_404(ask, data, address):
    assert ask(address.format(data=data)).status_code == 404


def test_nothing_outside_a_folder_is_sent(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "secret.mp4"
    inside.mkdir()
    outside.write_bytes(b"secret")
    (inside / "link.mp4").symlink_to(outside)
    (inside / "notes.txt").write_text("words")
    (inside / "own.mp4").write_bytes(b"own")
    media, root = Media(), Place.of(str(inside))
    assert media.inside(root, "own.mp4").status_code == 200
    for name in ("../secret.mp4", str(outside), "link.mp4", "notes.txt", "", ".", "a/../../x.mp4"):
        with pytest.raises(Exception, match="404"):
            media.inside(root, name)
    with pytest.raises(Exception, match="elsewhere"):
        media.elsewhere("https://example.org/a.mp4", root)
    with pytest.raises(Exception, match="elsewhere"):
        media.elsewhere("simplecache::file:///a.mp4", root)
    with pytest.raises(Exception, match="404"):
        media.elsewhere("/etc/passwd", root)
    media.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 400), ({"host": "evil.example:80"}, 400),
        ({"host": "127.0.0.1.evil.example"}, 400), ({"host": "127.0.0.1:8001"}, 200),
        ({"host": "localhost:8001"}, 200), ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
    ],
)  # fmt: skip
def test_only_our_own_pages_are_answered(ask, headers, status):
    answer = ask("/training", headers=headers)
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers


def test_nothing_is_changed_without_the_token_or_without_edit(library: Library, dataset, data):
    clip = some_clip(dataset)["clip_id"]
    address, why = f"{data}/clip/{clip}/mark", {"reason": "why"}
    for edit, token, status in ((False, True, 403), (True, False, 403)):
        app = make_app(library, conventions(), edit=edit)
        for method in ("POST", "DELETE"):
            headers = {"x-dawn-token": app.state.token} if token else {"x-dawn-token": "é" * 3}
            sent = {"headers": {k: v.encode() for k, v in headers.items()}}
            answer = answered(app, method, address, json=why, **sent)
            assert answer.status_code == status
    assert some_clip(dataset, f"clip_id = '{clip}'")["accepted"]
    assert not (Path(dataset.path) / "marks").exists()


def test_a_run_is_followed_while_it_trains(tmp_path):
    write_training(tmp_path / "run", "a2v", {"loss": [3.0, 2.0]})
    app = make_app(find([str(tmp_path)], conventions().kinds), conventions())
    ask: Ask = asking(app)
    first = ask("/training/curves").json()
    (run,) = first["runs"]
    assert run["curves"]["loss"] == [[10, 3.0, 10.0], [20, 2.0, 20.0]]
    assert ask("/training/curves", params={"seen": first["seen"]}).json() == {"seen": first["seen"]}
    write_training(tmp_path / "more", "a2v", {"loss": [3.0, 2.0, 1.0]})
    (tmp_path / "more/metrics.parquet").replace(tmp_path / "run/metrics.parquet")
    now = ask("/training/curves", params={"seen": first["seen"]}).json()
    assert now["runs"][0]["curves"]["loss"][-1] == [30, 1.0, 30.0]


def test_samples_of_a_run(ask):
    (told,) = ask("/training/curves?run=a2v").json()["runs"]
    assert told["pictures"] == {"sample": [10, 20]}
    answer = ask("/training/a2v/picture/sample/20.png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


def test_the_worst_clips_come_first(ask, app):
    book = app.state.book
    for metric in ("psnr", "m_lmd_iod", "blink_rate"):
        total, worst = book.worst(metric, "good", "", best=False, offset=0, limit=CLIPS)
        costs = {
            "psnr": lambda r: -r["value"], "m_lmd_iod": lambda r: r["value"],
            "blink_rate": lambda r: abs(r["value"] - r["reference"]),
        }[metric]  # fmt: skip
        found = [costs(row) for row in worst]
        assert found == sorted(found, reverse=True)
        assert total == len(worst) >= CLIPS - 1
    page = ask("/results?system=good&metric=psnr").text
    assert worst
    first = book.worst("psnr", "good", "", best=False, offset=0, limit=1)[1][0]["clip_id"]
    assert quote(first, safe="") in page.split('class="card clip"')[1]


def test_systems_on_one_clip(ask):
    page = ask(COMPARE).text
    for name in ("Real clip", "good", "&lt;script&gt;", "static", "made by it (not measured)"):
        assert (name in page) == (name != "Real clip"), name  # no real video in these results
    told = ask(f"/results/curves?clip={quote(HOSTILE_CLIP)}").json()
    assert {one["key"] for one in told["systems"]} == {"good", "bad", "static"}
    assert all(len(one["curves"]["mouth_generated"]) == 50 for one in told["systems"])
    video = ask("/results/good/video", params={"clip": HOSTILE_CLIP})
    assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
    assert ask("/results/bad/video", params={"clip": HOSTILE_CLIP}).status_code == 404
    made = ask("/generations/made/video", params={"item": HOSTILE})
    assert made.status_code == 200


def test_a_table_of_the_sets(ask):
    page = ask("/results").text
    assert "Of the whole set" in page
    assert "FID" in page


def test_names_of_runs_are_unique_and_safe(tmp_path, dataset):
    for place in ("one/x y", "two/x y"):
        write_training(tmp_path / place, "lfg", {"loss": [1.0]})
    targets = [str(tmp_path / "one/x y"), str(tmp_path / "two/x y"), str(tmp_path / "one")]
    library = find([*targets, dataset.path, dataset.path], conventions().kinds)
    assert set(library.training) == {"x-y", "x-y-2"}
    assert len(library.datasets) == 1


def test_what_lies_below_a_folder_is_found(folders, dataset, tmp_path):
    (tmp_path / "all/data").mkdir(parents=True)
    shutil.copy(f"{dataset.path}/dataset.json", tmp_path / "all/data")
    library = find([str(folders), str(tmp_path)], conventions().kinds)
    assert set(library.training) == {"runs-a2v", "runs-lfg"}
    assert set(library.results) == {"results-good", "results-bad", "results-static"}
    assert set(library.datasets) == {"data"}


def test_what_is_nothing_known_is_one_line(dawn: Dawn, tmp_path):
    (tmp_path / "empty").mkdir()
    for words, says in (
        ([], "nothing to view"), ([tmp_path / "none"], "no such folder"),
        ([tmp_path / "empty"], "is no dataset, run or results"),
        (["--checkpoint", tmp_path / "none"], "none"),
    ):  # fmt: skip
        answer = dawn("view", *words)
        assert answer.returncode == 2
        assert answer.stderr.count("\n") == 1
        assert says in answer.stderr


def test_a_folder_of_a_damaged_run_is_refused(tmp_path):
    write_training(tmp_path / "run", "lfg", {"loss": [1.0]})
    (tmp_path / "run/config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        find([str(tmp_path)], conventions().kinds)


def test_the_application_reports_nothing(app: FastAPI, monkeypatch):
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    telemetry = getattr(make_app(Library(), conventions()), "_telemetry", {})
    assert not any(telemetry.get(name) for name in ("auto_configure", "tracing", "logs"))
