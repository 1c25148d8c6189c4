"""`deployer preflight`, and the same checks before `deployer run`."""

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from deployer_aws import specfile
from deployer_aws.aws.clients import Clients, Options, connect
from deployer_aws.cli._aws_options import aws_options
from deployer_aws.cli._program import Bad, example, json_option, program
from deployer_aws.cli._report import Exit
from deployer_aws.cli._screen import Screen, clean
from deployer_aws.preflight import Case, Finding, Result, examine, is_sound
from deployer_aws.specfile import LoadedSpec

_STYLES = {Result.OK: "green", Result.WARNING: "yellow", Result.FAULT: "bold red", Result.UNVERIFIED: "dim"}


@program.command(
    short_help="Check whether a deployment can work.",
    epilog=example("deployer preflight staging.yaml --profile staging"),
)
@click.argument("spec", type=click.Path(path_type=Path))
@aws_options
@json_option
def preflight(spec: Path, aws: Options, as_json: bool) -> Exit:
    """Check whether what the spec file SPEC asks for can be deployed to AWS from here; nothing is changed.

    Exit code 1 where there is a fault, else 0. 'deployer run' makes the same checks first.
    """
    screen, loaded = Screen(), specfile.load(spec)
    findings = tuple(examine(Case(loaded, connect(aws), aws)))
    if as_json:
        screen.data({"sound": is_sound(findings), "findings": [_data(finding) for finding in findings]})
    elif screen.alive:
        screen.out.print(_table(findings))
    else:
        screen.rows([(f.result.value, f.check, _in_words(f)) for f in findings])
    return Exit.DONE if is_sound(findings) else Exit.FAILED


def check_first(screen: Screen, loaded: LoadedSpec, clients: Clients, options: Options) -> None:
    """Say what a person should know before the deployment is begun; raise Bad where it would fail."""
    findings = tuple(examine(Case(loaded, clients, options)))
    said = {warning.text for warning in loaded.warnings}
    for finding in findings:
        if finding.result is Result.WARNING and finding.text not in said:
            screen.warn(f"{finding.check}: {_in_words(finding)}")
    if not is_sound(findings):
        faults = [f"{f.check}: {_in_words(f)}" for f in findings if f.result is Result.FAULT]
        raise Bad(
            "\n".join(("nothing was requested, since it would fail (--no-checks tries anyway):", *faults))
        )


def _in_words(finding: Finding) -> str:
    return f"{finding.text}; {finding.advice}" if finding.advice else finding.text


def _data(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "result": finding.result.value,
        "text": finding.text,
        "advice": finding.advice,
    }


def _table(findings: tuple[Finding, ...]) -> Table:
    table = Table("", "check", "what was found", "what to do", show_lines=False)
    for finding in findings:
        style = _STYLES[finding.result]
        cells = (finding.check, clean(finding.text), clean(finding.advice))
        table.add_row(Text(finding.result.value, style), *map(Text, cells))
    return table
