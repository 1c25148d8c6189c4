"""Spec files: YAML to a `DeploymentSpec`, with its templates read and pinned.

    loaded = specfile.load("staging.yaml")
    loaded.spec, loaded.templates, loaded.warnings

Whatever a file holds, `SpecFileError` is all that comes of it where it can't be used: it says what is wrong, where, and
what to do. The format is written down in `docs/spec-file.md`, from the same tables that read it (`schema`).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from deployer_aws.documents.findings import DocumentError, Finding, Wrong
from deployer_aws.documents.readers import Files, Place
from deployer_aws.documents.tree import LARGEST, Syntax, decode, parse, read_text
from deployer_aws.specfile import template
from deployer_aws.specfile.describe import tables
from deployer_aws.specfile.rehearsal import Expected, Processes, Rehearsal
from deployer_aws.specfile.schema import DEPLOYMENT
from deployer_aws.templates import TemplateError
from deployer_core.analysis.preview import cautions
from deployer_core.spec import DeploymentSpec, TemplateBody

__all__ = [
    "Expected",
    "Finding",
    "LoadedSpec",
    "Processes",
    "Rehearsal",
    "SpecFileError",
    "load",
    "loads",
    "tables",
]


_SYNTAX = Syntax("spec file")


class SpecFileError(DocumentError):
    """A spec file, or its template, that cannot be used."""


@frozen
class LoadedSpec:
    """A spec, the texts of its templates by their SHA-256, and what a person should know of it.

    `rehearsal` is what the file says of rehearsing it, which is no part of the spec.
    """

    spec: DeploymentSpec
    templates: Mapping[str, str]
    warnings: tuple[Finding, ...] = ()
    rehearsal: Rehearsal | None = None


def load(path: "str | os.PathLike[str]") -> LoadedSpec:
    """Read a spec file; the template is looked for relative to it. Raises SpecFileError."""
    file = Path(path)
    try:
        text = read_text(file, LARGEST, "spec file")
    except Wrong as wrong:
        raise SpecFileError(os.fspath(path), wrong.findings) from None
    return loads(text, file.parent, os.fspath(path))


def loads(text: str | bytes, base_dir: "str | os.PathLike[str]", name: str = "spec file") -> LoadedSpec:
    """Read the text of a spec file; its template is looked for in `base_dir`, and errors call the text `name`.

    Raises SpecFileError.
    """
    files = Files(Path(base_dir))
    try:
        tree = parse(decode(_checked(text)), _SYNTAX)
        root = Place((), tree, files, tree.mark)
        found = DEPLOYMENT.read(root)
        return LoadedSpec(found.spec, files.texts, _judge(found.spec, files, root), found.rehearsal)
    except Wrong as wrong:
        raise SpecFileError(name, wrong.findings) from None


def _checked(text: str | bytes) -> bytes:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > LARGEST:
        raise Wrong(Finding("", 0, f"the spec file is larger than {LARGEST:,} bytes"))
    return data


def _judge(spec: DeploymentSpec, files: Files, root: Place) -> tuple[Finding, ...]:
    """Refuse what surely does not fit the template; return what a person should know."""
    warnings = [root.at(*caution.field.split(".")).finding(caution.text) for caution in cautions(spec)]
    if isinstance(spec.stack.template, TemplateBody):
        try:
            read = template.read_leniently(files.texts[spec.stack.template.sha256])
        except TemplateError as error:
            raise root.at("stack", "template").wrong(error.problem) from None
        found = tuple(template.check(spec, read, root))
        if found and not read.macros:
            raise Wrong(*found)
        warnings += found
    return tuple(sorted(warnings, key=lambda warning: warning.line))
