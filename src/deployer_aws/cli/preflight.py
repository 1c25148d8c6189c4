"""Check whether a deployment can work."""

from pathlib import Path

from attrs import asdict
from rich.table import Table
from rich.text import Text

from deployer_aws import specfile
from deployer_aws.aws.clients import Options, connect
from deployer_aws.cli._aws_options import aws_options
from deployer_aws.cli._checks import check_context, in_words
from deployer_aws.cli._exit import ExitCode
from deployer_aws.cli._options import json_option, spec_argument
from deployer_aws.cli._program import command
from deployer_aws.cli._screen import Screen, clean
from deployer_aws.preflight import CheckResult, Verdict, examine, is_sound

_STYLES = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAULT: "bold red",
    Verdict.UNVERIFIED: "dim",
}


@command("deployer preflight staging.yaml --profile staging")
@spec_argument
@aws_options
@json_option
def preflight(spec: Path, aws: Options, as_json: bool) -> ExitCode:
    """Check whether what the spec file SPEC asks for can be deployed to AWS from here; nothing is changed.

    Exit code 1 where there is a fault, else 0. 'deployer run' makes the same checks first.
    """
    screen, loaded = Screen(), specfile.load(spec)
    findings = tuple(examine(check_context(loaded, connect(aws), aws)))
    if as_json:
        screen.data(
            {
                "sound": is_sound(findings),
                "findings": [{**asdict(f), "result": f.result.value} for f in findings],
            }
        )
    elif screen.alive:
        screen.out.print(_table(findings))
    else:
        screen.rows([(f.result.value, f.check, in_words(f)) for f in findings])
    return ExitCode.DONE if is_sound(findings) else ExitCode.FAILED


def _table(findings: tuple[CheckResult, ...]) -> Table:
    table = Table("", "check", "what was found", "what to do", show_lines=False)
    for finding in findings:
        style = _STYLES[finding.result]
        cells = (finding.check, clean(finding.text), clean(finding.advice))
        table.add_row(Text(finding.result.value, style), *map(Text, cells))
    return table
