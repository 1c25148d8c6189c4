"""Many stacks in few calls: whole pages, or one by one."""

from typing import Any

import pytest
from attrs import define, field

from deployer_aws.aws.batch_describe import BatchDescribe
from deployer_aws.aws.stacks import StackDescription
from tests.deployer_aws.aws_answers import Refused, shown


@define
class _Account:
    """A client of an account whose stacks come in pages of two; the calls that it gets."""

    names: list[str]
    troubles: dict[str, list[Exception | None]] = field(factory=dict[str, Any])
    """What the calls of a name run into in turn, '' for calls without one; None where all goes well."""
    calls: list[str] = field(factory=list[str])

    def describe_stacks(self, **request: Any) -> dict[str, Any]:
        name = request.get("StackName", "")
        self.calls.append(name or f"page {request.get('NextToken', '0')}")
        if (left := self.troubles.get(name)) and (trouble := left.pop(0)) is not None:
            raise trouble
        if name:
            if name not in self.names:
                raise Refused("ValidationError", f"Stack with id {name} does not exist")
            return {"Stacks": [self._shown(name)]}
        start = int(request.get("NextToken", 0))
        found = [self._shown(name) for name in self.names[start : start + 2]]
        return {"Stacks": found, **({"NextToken": str(start + 2)} if start + 2 < len(self.names) else {})}

    def _shown(self, name: str) -> dict[str, Any]:
        return {**shown()["Stacks"][0], "StackId": f"id-{name}", "StackName": name}


Account: Any = _Account
"""Untyped, as boto3's clients are."""


def names_found(account: Any, *names: str, by: BatchDescribe | None = None) -> list[str]:
    """Return the names that were seen."""
    return sorted(
        name
        for name, seen in (by or BatchDescribe(account)).of(names).items()
        if isinstance(seen, StackDescription)
    )


def test_few_stacks_of_a_large_account_are_asked_for_one_by_one() -> None:
    """What takes fewer calls is done: one stack is never listed, and several are not once the pages are known."""
    account = Account([f"s{n}" for n in range(20)])
    batch = BatchDescribe(account)
    assert names_found(account, "s19", by=batch) == ["s19"]
    assert account.calls == ["s19"]
    account.calls.clear()
    assert names_found(account, "s17", "s18", "s19", by=batch) == ["s17", "s18", "s19"]
    assert account.calls == ["page 0", "page 2", "page 4", "s17", "s18", "s19"], (
        "as many pages as stacks, no more"
    )
    account.calls.clear()
    names_found(account, "s17", "s18", "s19", by=batch)
    assert account.calls == ["s17", "s18", "s19"]
    account.calls.clear()
    names = [f"s{n}" for n in range(9, 20)]
    assert names_found(account, *names, by=batch) == sorted(names)
    assert account.calls == [f"page {n}" for n in range(0, 20, 2)]


def test_listing_ends_where_all_is_found() -> None:
    """Pages behind the last stack that is looked for are not read; stacks are found by name and by StackId."""
    account = Account([f"s{n}" for n in range(20)])
    assert names_found(account, "s0", "id-s3", "s2") == ["id-s3", "s0", "s2"]
    assert account.calls == ["page 0", "page 2"]


def test_what_the_listing_lacks_is_left_out() -> None:
    """A stack that no page shows may be deleted, or too young: it is for its own look to say, by its StackId."""
    account = Account(["s0", "s1", "s2"])
    assert names_found(account, "s0", "s1", "s2", "gone") == ["s0", "s1", "s2"]
    assert account.calls == ["page 0", "page 2"]
    assert names_found(Account(["s0"]), "gone") == []


def test_an_account_that_may_not_be_listed() -> None:
    """Where the policy allows single stacks alone, they are asked for one by one, and listing is not tried again."""
    account = Account(["s0", "s1", "s2"], {"": [Refused("AccessDenied")]})
    batch = BatchDescribe(account)
    for _ in range(2):
        assert names_found(account, "s0", "s1", by=batch) == ["s0", "s1"]
    assert account.calls == ["page 0", "s0", "s1", "s0", "s1"]


@pytest.mark.parametrize("code", ["Throttling", "ExpiredToken"])
def test_what_keeps_a_listing_from_being_read_stands_for_the_rest(code: str) -> None:
    """What was read before the trouble is kept; of the others the trouble is told, and none is asked for singly."""
    trouble = Refused(code)
    account = Account([f"s{n}" for n in range(6)], {"": [None, trouble]})
    seen = BatchDescribe(account).of(["s0", "s1", "s4"])
    assert isinstance(seen["s1"], StackDescription)
    assert seen["s4"] is trouble
    assert account.calls == ["page 0", "page 2"]


def test_one_by_one_ends_with_the_first_trouble() -> None:
    """Where AWS is busy, no further stack is asked for."""
    trouble = Refused("Throttling")
    account = Account(["s0", "s1", "s2"], {"": [Refused("AccessDenied")], "s1": [trouble]})
    seen = BatchDescribe(account).of(["s0", "s1", "s2"])
    assert [isinstance(seen["s0"], StackDescription), seen["s1"], seen["s2"]] == [True, trouble, trouble]
    assert account.calls == ["page 0", "s0", "s1"]
