"""What a person asks for: one version of one application in one environment, as a value.

Everything is checked where it is made: a spec that exists is well formed. A `SpecError` names the field and the rule.
Values that only the stack knows are written as `Output("Name")`; `resolve` replaces them once the infrastructure is
there. Durations are whole seconds.
"""

from deployer_core.spec.database import Admin, AdminIam, AdminSecret, AdminUrl, DatabaseSpec
from deployer_core.spec.deployment import DeploymentSpec, OnFailure
from deployer_core.spec.digests import digest
from deployer_core.spec.errors import SpecError
from deployer_core.spec.outputs import MissingOutputs, outputs_named, resolve
from deployer_core.spec.stack import (
    FixedCount,
    ListenerPriority,
    ParameterValue,
    Previous,
    PreviousCount,
    Scale,
    StackOutput,
    StackSpec,
    Template,
    TemplateBody,
    TemplateUrl,
)
from deployer_core.spec.task import Evaluation, Migration, TaskSpec
from deployer_core.spec.text import Counts, Output, Pairs, Text

__all__ = [
    "Admin",
    "AdminIam",
    "AdminSecret",
    "AdminUrl",
    "Counts",
    "DatabaseSpec",
    "DeploymentSpec",
    "Evaluation",
    "FixedCount",
    "ListenerPriority",
    "Migration",
    "MissingOutputs",
    "OnFailure",
    "Output",
    "Pairs",
    "ParameterValue",
    "Previous",
    "PreviousCount",
    "Scale",
    "SpecError",
    "StackOutput",
    "StackSpec",
    "TaskSpec",
    "Template",
    "TemplateBody",
    "TemplateUrl",
    "Text",
    "digest",
    "outputs_named",
    "resolve",
]
