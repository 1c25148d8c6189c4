"""The documentation's examples as tests: `make docs` runs them.

In Markdown, the fenced blocks marked `python` of a file run from top to bottom in one namespace; so do
the `>>>` prompts of each docstring in `src`. `<!--- skip: next -->` on its own line omits the next block.
"""

import importlib.util

if importlib.util.find_spec("sybil"):  # it comes with the extra `dev`; the suite itself does without
    from sybil import Sybil
    from sybil.document import PythonDocStringDocument
    from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
    from sybil.parsers.rest import DocTestParser

    pytest_collect_file = (
        Sybil(
            parsers=[PythonCodeBlockParser(), SkipParser()],
            patterns=["README.md", "docs/**/*.md", "docs/*.md"],
        )
        + Sybil(
            parsers=[DocTestParser()],
            patterns=["src/**/*.py"],
            document_types={".py": PythonDocStringDocument},
        )
    ).pytest()
