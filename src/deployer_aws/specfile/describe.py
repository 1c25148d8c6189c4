"""The spec file's keys as Markdown tables: `docs/spec-file.md` holds them, and a test says that they are these."""

from collections.abc import Iterator
from typing import Any

from deployer_aws.documents.readers import Key, Record
from deployer_aws.specfile.schema import DEPLOYMENT


def tables() -> str:
    """Every map with fixed keys, found from the outermost one: key, what may stand there, default, meaning."""
    return "\n\n".join("\n".join(_table(record)) for record in _records(DEPLOYMENT, {})) + "\n"


def _records(record: Record[Any], seen: dict[str, Record[Any]]) -> list[Record[Any]]:
    if record.title not in seen:
        seen[record.title] = record
        for key in record.keys:
            for part in key.reader.parts:
                _records(part, seen)
    return list(seen.values())


def _table(record: Record[Any]) -> Iterator[str]:
    yield f"### {record.title[0].upper()}{record.title[1:]}"
    yield ""
    if record.intro:
        yield record.intro
        yield ""
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for key in record.keys:
        default = "*required*" if key.default is None else key.default
        yield f"| `{key.name}` | {_linked(key)} | {default} | {key.meaning} |"


def _linked(key: Key) -> str:
    """Return what may stand there, with links to the maps that have a table of their own."""
    text = key.reader.called
    for part in {part.title: part for part in key.reader.parts}:
        text = text.replace(part, f"[{part}](#{part.replace(' ', '-').lower()})")
    return text
