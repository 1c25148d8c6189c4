"""CloudFormation templates, read and evaluated by one parser: for the simulator, spec files, preflight and executors.

`document` parses a text, `template` is the model and the rules that CloudFormation has for it, and `evaluation` carries
out the intrinsic functions.
"""

from deployer_aws.templates.document import Json
from deployer_aws.templates.evaluation import Evaluator, as_text
from deployer_aws.templates.template import Template, TemplateError, as_map, digest, needs, parse, read

__all__ = [
    "Evaluator",
    "Json",
    "Template",
    "TemplateError",
    "as_map",
    "as_text",
    "digest",
    "needs",
    "parse",
    "read",
]
