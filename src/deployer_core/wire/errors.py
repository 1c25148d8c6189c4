"""What is raised where data cannot be read, or a value cannot be written."""

from deployer_core.spec.errors import shown


class WireError(ValueError):
    """Data that cannot be read, or a value that cannot be written: `path` says where, `problem` what and why."""

    def __init__(self, problem: str, path: str = "") -> None:
        self.problem: str = problem
        self.path: str = path
        super().__init__(problem, path)

    def within(self, step: str) -> None:
        """Put a step before the path: that to the place which the path was told from."""
        self.path = step + self.path

    def __str__(self) -> str:
        return f"${self.path}: {self.problem}"


def needed(what: str, value: object) -> WireError:
    """Make the error that says what was expected, and what was found."""
    return WireError(f"{what} is needed, not {shown(value)}")
