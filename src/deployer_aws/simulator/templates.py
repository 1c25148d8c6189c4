"""Templates as the simulated CloudFormation reads them: what it refuses is a ValidationError."""

from deployer_aws import templates
from deployer_aws.simulator.errors import invalid
from deployer_aws.templates import Template, TemplateError


def parse(text: str) -> Template:
    """Return the template in a text; raise CloudFormation's ValidationError where it is none."""
    try:
        return templates.parse(text)
    except TemplateError as error:
        raise invalid(str(error)) from None
