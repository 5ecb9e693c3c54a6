#!/usr/bin/env python3
"""Builds the site of README and docs/ with mkdocs into build/site/html, which opens from the disk as well as from a server.

The documents stay as they are read in the repository: here README becomes the first page, docs/ the root, and links are
turned to where things lie now. Afterwards every link of the built pages is followed, and nothing may come from elsewhere.
"""
import html.parser
import pathlib
import posixpath
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from check_docs import FENCE, LINK, ROOT, documents  # noqa: E402

OUT = ROOT / "build" / "site"
SOURCE = OUT / "pages"
HTML = OUT / "html"

# What stands in the menu, and in which order; a document of docs/ that is missing here is an error.
MENU = [
    ("Fallow", ["README.md", "docs/install.md"]),
    ("Renters", ["docs/job-files.md", "examples/jobs/README.md", "docs/query.md", "docs/reach.md", "docs/images.md", "docs/secrets.md", "docs/checkpoints.md",
                 "docs/webhooks.md", "docs/sdk-python.md"]),
    ("Providers", ["docs/provider.md", "docs/gpu-proof.md", "docs/security.md"]),
    ("Operators", ["docs/operations.md", "docs/console.md", "docs/market.md", "docs/api.md"]),
    ("Inside", ["docs/architecture.md", "docs/fencing.md", "docs/simulator.md", "docs/laboratory.md",
                "docs/measurements.md", "CONTRIBUTING.md"]),
    ("Formats", "docs/formats"),
    ("Decisions", "docs/decisions"),
]


def page_of(path):
    """Where a file of the repository lies on the site."""
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/")


def title_of(path):
    heading = re.search(r"^#\s+(.*)$", (ROOT / path).read_text(), re.M)
    return re.sub(r"[`*]", "", heading.group(1)) if heading else path


class Site:
    def __init__(self):
        self.pages = {}  # path in the repository -> text
        self.waiting = []
        self.copied = set()

    def add(self, path):
        if path not in self.pages:
            self.pages[path] = None
            self.waiting.append(path)

    def target(self, page, name, anchor):
        """The link to `name` (of the repository) as it has to be on the site's page."""
        folder = ROOT / name
        if folder.is_dir():
            readme = f"{name}/README.md"
            name = readme if (ROOT / readme).exists() else f"{name}/index.md"
            if not (ROOT / name).exists():
                self.listing(name)
        if name.endswith(".md"):
            if (ROOT / name).exists():
                self.add(name)
        elif name not in self.copied:
            self.copied.add(name)
            copy = SOURCE / page_of(name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy)
        link = posixpath.relpath(page_of(name), posixpath.dirname(page_of(page)) or ".")
        return link + (f"#{anchor}" if anchor else "")

    def listing(self, name):
        """The page of a folder that has none: what is in it."""
        folder = pathlib.PurePosixPath(name).parent
        files = sorted((ROOT / folder).glob("*.md"))
        lines = [f"# {folder.name}", ""]
        for file in files:
            path = str(file.relative_to(ROOT))
            self.add(path)
            lines.append(f"- [{title_of(path)}]({file.name})")
        page = SOURCE / page_of(name)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("\n".join(lines) + "\n")

    def rewrite(self, path):
        folder = posixpath.dirname(path)
        fenced, lines = False, []

        def turned(match):
            link = match.group(1)
            if re.match(r"[a-z][a-z0-9+.-]*:", link) or link.startswith("#"):
                return match.group(0)
            name, _, anchor = link.partition("#")
            target = self.target(path, posixpath.normpath(posixpath.join(folder, name)).rstrip("/"), anchor)
            return match.group(0).replace(f"]({link}", f"]({target}")

        for line in (ROOT / path).read_text().splitlines():
            fenced ^= bool(FENCE.match(line))
            lines.append(line if fenced or line.startswith("    ") else LINK.sub(turned, line))
        # GitHub's lists may follow a paragraph at once; this generator wants a blank line between.
        text = re.sub(r"^(?![-*\s|>]|\d+\.)(.+)\n(?=(?:[-*]|\d+\.) )", r"\1\n\n", "\n".join(lines) + "\n", flags=re.M)
        page = SOURCE / page_of(path)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)

    def write(self):
        for _, entries in MENU:
            for entry in menu_entries(entries):
                self.add(entry)
        while self.waiting:
            self.rewrite(self.waiting.pop())


def menu_entries(entries):
    return entries if isinstance(entries, list) else sorted(str(file.relative_to(ROOT)) for file in (ROOT / entries).glob("*.md"))


def configuration():
    lines = ["site_name: Fallow", f"docs_dir: {SOURCE.name}", f"site_dir: {HTML.name}", "use_directory_urls: false",
             "theme:", "  name: material", "  font: false", "  features: [navigation.top, navigation.expand]",
             "  palette:", "    - {media: '(prefers-color-scheme: light)', scheme: default}",
             "    - {media: '(prefers-color-scheme: dark)', scheme: slate}",
             "plugins: [search]", "markdown_extensions:", "  - tables", "  - fenced_code", "  - toc:",
             "      slugify: !!python/name:check_docs.slug_of_site", "nav:"]
    for section, entries in MENU:
        lines.append(f"  - {section}:")
        for entry in menu_entries(entries):
            title = "Fallow" if entry == "README.md" else title_of(entry)
            lines.append(f"      - \"{title}\": {page_of(entry)}")
    return "\n".join(lines) + "\n"


class Links(html.parser.HTMLParser):
    """What a built page refers to, and what can be referred to in it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if given.get("id"):
            self.anchors.add(given["id"])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") != "canonical" and given.get("href"):
            self.loaded.append(given["href"])
        if tag in ("script", "img", "iframe") and given.get("src"):
            self.loaded.append(given["src"])


def check_built():
    pages = {path.relative_to(HTML).as_posix(): Links(path.read_text()) for path in HTML.rglob("*.html")}
    for name, page in sorted(pages.items()):
        if name == "404.html":
            continue
        for link in page.loaded + page.links:
            outside = re.match(r"([a-z][a-z0-9+.-]*:)?//|mailto:", link)
            if outside:
                if link in page.loaded:
                    yield f"{name}: loads {link} from elsewhere"
                continue
            target, _, anchor = link.partition("#")
            at = posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) if target else name
            at = "index.html" if at == "." else at
            if not (HTML / at).exists():
                yield f"{name}: {link} leads nowhere"
            elif anchor and at in pages and anchor not in pages[at].anchors:
                yield f"{name}: {link}: no such heading"


def main():
    missing = {str(path.relative_to(ROOT)) for path in documents() if path.parent == ROOT / "docs"}
    missing -= {entry for _, entries in MENU for entry in menu_entries(entries)}
    if missing:
        print(f"site: not in the menu of tools/site.py: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    shutil.rmtree(OUT, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    Site().write()
    (OUT / "mkdocs.yml").write_text(configuration())
    built = subprocess.run(["/usr/bin/mkdocs", "build", "--strict", "--quiet"], cwd=OUT,
                           env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "tools"), "PYTHONDONTWRITEBYTECODE": "1"})
    if built.returncode != 0:
        return 1
    faults = list(check_built())
    print("\n".join(faults) or f"site: {len(list(HTML.rglob('*.html')))} pages in {(HTML / 'index.html').relative_to(ROOT)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
