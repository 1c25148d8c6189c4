"""The moments at which tests kill a process are numbered; `make test` takes one of seven, `make thorough` the others."""

SEVENTH = 7


def among(residues: str, number: int) -> bool:
    """Tell whether a moment, divided by seven, leaves one of these remainders (`0,1,2`)."""
    return str(number % SEVENTH) in residues.split(",")
