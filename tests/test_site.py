"""The documents: links lead somewhere, quoted messages exist, the site builds and is offline."""

import ast
import html.parser
import importlib.util
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.test_documents import DOCUMENTS, commands, split_commands

ROOT = Path(__file__).parents[1]
PACKAGES = ("manifests", "dawn", "eval", "pipeline")
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]*)(?:#([^)\s]+))?\)")


def prose(page: Path) -> str:
    """A page without what stands in code fences."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.S | re.M)


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, by GitHub's rules."""
    found: Counter[str] = Counter()
    slugs = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(page), re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        slugs.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return slugs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_anchor_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(prose(page)):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} is not there"
        if anchor:
            assert anchor in anchors(target), f"{path}#{anchor}: no such heading"


def test_anchors_follow_github() -> None:
    dataset, metrics = anchors(ROOT / "docs/dataset.md"), anchors(ROOT / "docs/metrics.md")
    assert {"guarantees", "videos", "reasons"} <= dataset
    assert "fid_incep2015-fid" in metrics
    assert "blink_rate_distance-blinkss---real" in metrics  # what is left out leaves no hyphen


def literals(path: Path) -> Iterator[str]:
    """The texts in a module, docstrings apart; a zero byte stands where a value is put in."""
    tree = ast.parse(path.read_text())
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            inner.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            inner |= {id(value) for value in node.values}
            yield "".join(
                str(value.value) if isinstance(value, ast.Constant) else "\0"
                for value in node.values
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.value


def quoted_messages() -> list[str]:
    """The first column of the tables of docs/troubleshooting.md."""
    return re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/troubleshooting.md").read_text(), re.M)


def test_every_row_of_troubleshooting_quotes_a_message() -> None:
    rows = re.findall(r"^\| (?!message).+$", prose(ROOT / "docs/troubleshooting.md"), re.M)
    assert len(rows) == len(quoted_messages()) >= 25
    assert len(set(quoted_messages())) == len(rows)


def failure_messages() -> list[str]:
    """What commands print, in the table of failures of docs/cluster.md."""
    _, table = (ROOT / "docs/cluster.md").read_text().split("## What each failure looks like")
    columns = re.findall(r"^\|[^|]+\|([^|]+)\|", table, re.M)
    quoted = [said for column in columns for said in re.findall(r"`([^`]+)`", column)]
    return [said for said in quoted if " " in said]


def test_the_quoted_messages_are_those_of_the_program() -> None:
    texts = {
        text for package in PACKAGES for path in (ROOT / package).rglob("*.py")
        for text in literals(path)
    }  # fmt: skip
    assert len(failure_messages()) >= 14
    quoted = [*quoted_messages(), *failure_messages()]
    gone = [part for part in quoted if not any(part in text for text in texts)]
    assert gone == []


def test_the_tutorial_has_commands_that_are_run_elsewhere() -> None:
    text = (ROOT / "docs/tutorial.md").read_text()
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.S | re.M)
    for line in (line for block in blocks for line in block.splitlines()):
        assert line.startswith(("$ ", "  ")), line
    found = [command for block in blocks for command in split_commands(block.replace("$ ", ""))]
    assert len(found) >= 15
    known = {command for document in DOCUMENTS for command in commands(document)}
    assert [command for command in found if command not in known] == []


def test_the_reference_names_modules_that_exist() -> None:
    named = [
        name
        for page in (ROOT / "docs/reference").glob("*.md")
        for name in re.findall(r"^::: (\S+)$", page.read_text(), re.M)
    ]
    assert {name.split(".")[0] for name in named} == set(PACKAGES)
    for name in named:
        path = ROOT.joinpath(*name.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name


def test_the_site_is_built_by_the_makefile_and_ignored_by_git() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^docs-site: .*\n\t.*mkdocs build .*--strict", makefile, re.M)
    assert "site/" in (ROOT / ".gitignore").read_text().splitlines()


class Fetched(html.parser.HTMLParser):
    """Collects the addresses that a browser loads to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._in_style = tag == "style"
        relation = set(values.get("rel", "").split())
        if tag == "link" and relation & {"stylesheet", "icon", "preload", "preconnect"}:
            self.addresses.append(values.get("href", ""))
        if tag not in ("a", "link"):
            self.addresses += [values[name] for name in ("src", "srcset", "data") if name in values]
        self.addresses += loaded_by_style(values.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.addresses += loaded_by_style(data)


def loaded_by_style(text: str) -> list[str]:
    """What a style sheet loads."""
    return re.findall(r"""(?:url\(\s*["']?|@import\s+["'])([^"')\s]+)""", text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The built site, and what the build said."""
    for package in ("mkdocs", "material", "mkdocstrings"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}: `make docs-site` installs it")
    folder = tmp_path_factory.mktemp("site")
    answer = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, answer.stdout + answer.stderr


def test_the_site_builds_without_a_warning(site: tuple[Path, str]) -> None:
    folder, said = site
    assert "WARNING" not in said
    assert "ERROR" not in said
    for page in (ROOT / "docs").rglob("*.md"):
        assert (folder / page.relative_to(ROOT / "docs")).with_suffix(".html").is_file()
    for page in ("index", "contributing", "changelog"):
        assert (folder / f"{page}.html").is_file()
    assert (folder / "eval/gates/default.yaml").is_file()


def test_the_reference_is_filled_from_docstrings(site: tuple[Path, str]) -> None:
    folder, _ = site
    text = (folder / "reference/manifests.html").read_text()
    assert 'id="manifests.store.Dataset"' in text
    assert "A folder or object-store prefix that holds the tables." in text


def test_no_page_of_the_site_loads_anything_from_elsewhere(site: tuple[Path, str]) -> None:
    folder, _ = site
    pages = sorted(folder.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        reader = Fetched()
        reader.feed(page.read_text())
        assert any(address.endswith(".css") for address in reader.addresses)
        for address in reader.addresses:
            assert not re.match(r"(https?:)?//", address), f"{page.name}: {address}"
    for sheet in folder.rglob("*.css"):
        for address in loaded_by_style(sheet.read_text()):
            assert not re.match(r"(https?:)?//", address), f"{sheet.name}: {address}"


def test_no_link_of_the_site_is_dead(site: tuple[Path, str]) -> None:
    folder, _ = site
    for page in folder.rglob("*.html"):
        if page.name == "404.html":  # its links are from the root of a server
            continue
        links = r'<(?:a|img|script|link)\b[^>]*?(?:href|src)="([^"]*)"'
        for address in re.findall(links, page.read_text()):
            path = address.partition("#")[0]
            if path and not re.match(r"[a-z]+:", path):
                assert (page.parent / path).exists(), f"{page.name}: {address}"


def test_every_page_of_the_documents_is_in_the_navigation() -> None:
    text = re.sub(r"!!python/\S+", "", (ROOT / "mkdocs.yml").read_text())
    listed = set(re.findall(r"[\w/]+\.md", str(yaml.safe_load(text)["nav"])))
    written = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert listed == written | {"index.md", "contributing.md", "changelog.md"}
