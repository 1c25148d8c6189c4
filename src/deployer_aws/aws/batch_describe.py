"""Describe many stacks in few calls: the account page by page where that costs less, else one by one.

DescribeStacks without a name gives the account's stacks by the page, whose size AWS decides. How many pages
there are is learnt by reading them, and never more are read than there are stacks to be found.
"""

from collections.abc import Iterable, Mapping

from deployer_aws.aws.errors import ErrorClass, classify
from deployer_aws.aws.pages import pages
from deployer_aws.aws.protocols import CloudFormationClient
from deployer_aws.aws.stacks import StackDescription, read_description

Seen = StackDescription | Exception
"""A stack as described, or the error that kept it from being seen."""


class BatchDescribe:
    """Describes many stacks at once, changes nothing."""

    def __init__(self, client: CloudFormationClient) -> None:
        self._client = client
        self._pages = 1
        self._may_list = True

    def of(self, named: Iterable[str]) -> Mapping[str, Seen]:
        """Return stacks by name or StackId. Left out is what was not found: a deleted stack is in no listing."""
        wanted = dict.fromkeys(named)
        found: dict[str, Seen] = {}
        whole = False
        if self._may_list and len(wanted) > self._pages:
            try:
                whole = self._list(wanted, found)
            except Exception as error:
                if not self._is_refused(error):
                    return {**dict.fromkeys(wanted, error), **found}
        return found if whole else {**found, **self._one_by_one(name for name in wanted if name not in found)}

    def _list(self, wanted: Mapping[str, None], found: dict[str, Seen]) -> bool:
        """Read pages until all is found or there is no more: True. After as many pages as there are stacks: False."""
        for number, page in enumerate(pages(self._client.describe_stacks), 1):
            self._pages = number
            for stack in map(read_description, page["Stacks"]):
                found.update((name, stack) for name in (stack.id, stack.name) if name in wanted)
            if len(found) == len(wanted) or number >= len(wanted):
                return len(found) == len(wanted)
        return True

    def _is_refused(self, error: Exception) -> bool:
        """Tell whether the account may not be listed, and remember it."""
        problem = classify(error)
        if problem is None or problem.error_class is not ErrorClass.PERMANENT:
            return False
        self._may_list = False
        return True

    def _one_by_one(self, names: Iterable[str]) -> dict[str, Seen]:
        """Describe each by a call of its own. After an error make no more: AWS is busy, or does not know us."""
        seen: dict[str, Seen] = {}
        trouble: Exception | None = None
        for name in names:
            try:
                seen[name] = trouble or read_description(
                    self._client.describe_stacks(StackName=name)["Stacks"][0]
                )
            except Exception as error:
                problem = classify(error)
                if problem is not None and problem.error_class is ErrorClass.PERMANENT:
                    continue  # it is missing, perhaps: that is for its own look to say
                trouble = seen[name] = error
        return seen
