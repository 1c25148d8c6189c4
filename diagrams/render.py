"""Render the drawings of this folder: an SVG beside each `.mmd`, by mermaid-cli in a headless Chromium.

    python diagrams/render.py            # render each drawing whose source has changed
    python diagrams/render.py --check    # render nothing; exit 1 where an SVG is not of its source

Each SVG ends with a comment that holds the SHA-256 of its source and of the settings, so that a check needs no
browser. Where npx or Chromium is missing, rendering says so and exits 3.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
MERMAID_CLI = "@mermaid-js/mermaid-cli@11"
SETTINGS = {"layout": "elk", "theme": "default"}
"""Dagre, mermaid's usual layout, prints the label of a self-loop over its neighbours'; ELK does not."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def sources() -> list[Path]:
    """Return every drawing of the folder."""
    return sorted(FOLDER.glob("*.mmd"))


def svg_of(source: Path) -> Path:
    """Return where a drawing's SVG stands."""
    return source.with_suffix(".svg")


def mark(source: Path) -> str:
    """Return the comment that ends the SVG of a drawing as it is now."""
    settings = json.dumps(SETTINGS, sort_keys=True)
    digest = hashlib.sha256(f"{settings}\n{source.read_text(encoding='utf-8')}".encode()).hexdigest()
    return f"<!-- source sha256: {digest} -->"


def stale() -> list[Path]:
    """Return the drawings whose SVG is missing, or of another source."""
    return [
        source
        for source in sources()
        if not svg_of(source).exists()
        or not svg_of(source).read_text(encoding="utf-8").rstrip().endswith(mark(source))
    ]


def missing_tools() -> list[str]:
    """Return what rendering needs and this machine lacks."""
    wanting = [] if shutil.which("npx") else ["npx (from Node.js)"]
    return wanting if _browser() else [*wanting, "Chromium"]


def _browser() -> str | None:
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def render(source: Path, target: Path) -> None:
    """Write the SVG of one drawing; raises CalledProcessError, with mermaid-cli's words in `stderr`."""
    with tempfile.TemporaryDirectory() as folder:
        settings, browser = Path(folder, "mermaid.json"), Path(folder, "browser.json")
        settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
        browser.write_text(
            json.dumps({"executablePath": _browser(), "args": ["--no-sandbox"]}), encoding="utf-8"
        )
        drawn = Path(folder, "drawn.svg")
        program = ["npx", "--yes", f"--package={MERMAID_CLI}", "mmdc", "--quiet"]
        options = {
            "--backgroundColor": "white",
            "--configFile": settings,
            "--puppeteerConfigFile": browser,
            "--svgId": source.stem,
            "--input": source,
            "--output": drawn,
        }
        subprocess.run(
            [*program, *(str(word) for option in options.items() for word in option)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PUPPETEER_SKIP_DOWNLOAD": "1"},
        )
        text = drawn.read_text(encoding="utf-8").rstrip()
    target.write_text(f"{text}\n{mark(source)}\n", encoding="utf-8")


def main() -> int:
    """Render what is stale, or say what is."""
    parser = argparse.ArgumentParser(description="Render diagrams/*.mmd to SVG.")
    parser.add_argument(
        "--check", action="store_true", help="render nothing; exit 1 where an SVG is not of its source"
    )
    wanted = stale()
    if parser.parse_args().check:
        for source in wanted:
            print(f"{svg_of(source).name} is not of its source: make drawings", file=sys.stderr)
        return 1 if wanted else 0
    if wanted and (wanting := missing_tools()):
        print(f"not rendered, for want of {' and '.join(wanting)}", file=sys.stderr)
        return 3
    for source in wanted:
        render(source, svg_of(source))
        print(f"rendered {svg_of(source).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
