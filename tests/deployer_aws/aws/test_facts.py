"""What preflight asks beyond AWS's answers: who can be reached from here."""

import socket
from typing import Any

import pytest

from deployer_aws.aws.facts import connect_to, find_unreachable, read_denials


def test_a_place_is_reached_where_somebody_listens() -> None:
    """By TCP, and nothing is said; where nobody listens, the reason is the operating system's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = listener.getsockname()[:2]
        assert find_unreachable([here, here], connect_to) == {}
    (why,) = find_unreachable([here], connect_to).values()
    assert "refused" in why


def test_a_mistake_of_our_own_is_no_answer_of_awss() -> None:
    """What is no error of AWS's or of the network's is raised."""
    no_clients: Any = None
    with pytest.raises(AttributeError):
        read_denials(no_clients, "role", [no_clients])
