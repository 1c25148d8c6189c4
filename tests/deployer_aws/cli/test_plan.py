"""`deployer plan`: what a deployment would do."""

from tests.support.command import EXAMPLE, SCRIPT, Deployer, invoke


def test_a_plan_shows_both_ways_or_one() -> None:
    """As text and as JSON; nothing is touched."""
    both = invoke("plan", EXAMPLE / "v2.yaml")
    assert both.code == 0
    assert "which exists" in both.out
    assert "which does not exist yet" in both.out
    one = invoke("plan", EXAMPLE / "v2.yaml", "--stack", "exists", "--json").data["plans"]
    assert [plan["exists"] for plan in one] == [True]
    assert [step["command"]["name"] for step in one[0]["steps"]][:2] == ["StabiliseStack", "ScaleStack"]


def test_a_plan_says_what_a_person_should_know(deployer: Deployer) -> None:
    """Warnings go to stderr."""
    spec = deployer.folder / "spec.yaml"
    text = (EXAMPLE / "v1.yaml").read_text().replace("template.yaml", str(EXAMPLE / "template.yaml"))
    spec.write_text(f"{text}\nquick: true\n")
    assert "warning: " in invoke("plan", spec).err
    assert "warning: " in deployer("run", spec, "--simulate", SCRIPT).err


def test_a_plan_begins_from_what_the_journal_knows(deployer: Deployer) -> None:
    """Without one nothing was DONE, so a changed infrastructure could not be put back; with one it would be."""
    words = ("plan", EXAMPLE / "v2b.yaml", "--stack", "exists")
    assert "not put back: no deployment is DONE" in deployer(*words).out
    deployer.run("v1")
    known = deployer(*words).out
    assert "not put back: no deployment is DONE" not in known
    assert "put back" in known
