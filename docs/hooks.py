"""What MkDocs is told beyond mkdocs.yml: pages that lie at the root, links that lead out of docs/.

README, CONTRIBUTING and CHANGELOG become pages of the site, and a file that a page links to outside
of docs/ is copied into it, so that every link works in the repository and in the site alike.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)")
FENCED = re.compile(r"^(```.*?^```$)", re.S | re.M)
LIST_AFTER_TEXT = re.compile(r"^([^\s|#>-].*\n)(?=- )", re.M)
HEADING = re.compile(r"^#(?=#* )", re.M)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root and every file outside of docs/ that a page links to."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    for page in list(files.documentation_pages()):
        for target in LINK.findall(page.content_string):
            path = _in_repository(page.src_uri, target)
            if (
                path not in PAGES
                and not path.startswith("docs/")
                and files.get_file_from_path(path) is None
                and (ROOT / path).is_file()
            ):
                files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links as the site has them, lists and headings as GitHub takes them.

    There a list may follow text without a blank line, and a page may have several titles: all but
    the first become sections, so that the page's contents list them.
    """
    parts = FENCED.split(markdown)
    texts = range(0, len(parts), 2)  # between the fences
    several = sum(len(re.findall(r"^# ", parts[index], re.M)) for index in texts) > 1
    for index in texts:
        text = LINK.sub(lambda link: f"]({_in_site(page.file.src_uri, link[1])}", parts[index])
        text = LIST_AFTER_TEXT.sub(r"\1\n", text)
        parts[index] = HEADING.sub("##", text) if several else text
    whole = "".join(parts)
    return whole.removeprefix("#") if several else whole


def _in_repository(page: str, target: str) -> str:
    """The path from the repository's root of what a page links to."""
    source = next((name for name, at in PAGES.items() if at == page), f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))


def _in_site(page: str, target: str) -> str:
    """The same link, relative to the page's place in the site."""
    path = _in_repository(page, target)
    place = PAGES.get(path, path.removeprefix("docs/"))
    return posixpath.relpath(place, posixpath.dirname(page) or ".")
