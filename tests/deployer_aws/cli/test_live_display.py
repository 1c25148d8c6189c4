"""What the picture of a stack on a terminal shows, beside its steps."""

import io

from rich.console import Console

from deployer_aws.cli._live_display import LiveDisplay, _command
from deployer_aws.cli._screen import Screen
from deployer_aws.environment import open_environment
from deployer_aws.views.follow import Follower
from deployer_aws.views.history import CommandRecord
from tests.support.command import FAILS, KEY, Deployer


def drawn(deployer: Deployer, key: str = KEY, owner: str = "") -> str:
    """Return the picture of a stream as it stands in the journal."""
    shown = io.StringIO()
    with open_environment(deployer.journal, act=False) as environment:
        display = LiveDisplay(Screen(), simulated=True, now=0.0)
        display.begin(key, Follower(environment.journal, key))
        if owner:
            display.tick(1.0, {key: owner})
        Console(file=shown, width=120).print(display._draw())
    return shown.getvalue()


def test_a_failed_deployment_says_why_and_where_the_services_are(deployer: Deployer) -> None:
    """A person must know both before anything else is done."""
    deployer.run()
    deployer.run("v2", script=deployer.script(FAILS))
    picture = drawn(deployer)
    assert "BROKEN" in picture
    assert "billing: migrate: EssentialContainerExited: locked" in picture
    assert "the services are at zero; before: " in picture


def test_what_waits_is_numbered_and_who_carries_on_is_named(deployer: Deployer) -> None:
    """The queue in its order, and another deployer that holds the stack."""
    deployer.half_way()
    deployer.half_way("v2", events=1, name="two")
    deployer.half_way("hotfix", events=1, name="three")
    picture = drawn(deployer, owner="ci-7")
    first, second = (line for line in picture.splitlines() if "in the queue, " in line)
    assert ("1: version" in first, "two" in first) == (True, True)
    assert ("2: version" in second, "three" in second) == (True, True)
    assert "another deployer (ci-7) carries it on, and this one follows" in picture
    assert "another deployer" not in drawn(deployer)


def test_a_stack_that_nothing_was_asked_of_has_no_steps(deployer: Deployer) -> None:
    """Its picture is its name and its state."""
    deployer.half_way()
    picture = drawn(deployer, "staging/another")
    assert "staging/another · simulated" in picture
    assert "deployment" not in picture


def test_a_command_that_was_sent_again_says_how_often() -> None:
    """Once is what everybody expects."""
    once = CommandRecord(1, "RunTask", "orders", "orders", 10.0, 70.0, attempts=1, seen="RUNNING")
    again = CommandRecord(1, "RunTask", "orders", "orders", 10.0, 70.0, attempts=2, seen="RUNNING")
    assert [_command(record, 25.0)[2].plain for record in (once, again)] == ["RUNNING", "attempt 2  RUNNING"]
    assert _command(once, 25.0)[1].plain == "15s of 1m"
