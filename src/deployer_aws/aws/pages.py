"""Read the answers that AWS gives by the page."""

from collections.abc import Callable, Iterator
from typing import Any


def pages(
    call: Callable[..., Any], token: str = "NextToken", sent: str = "", **parameters: Any
) -> Iterator[Any]:
    """Yield each page; `token` is its member that leads to the next one, `sent` the request's, if it differs."""
    page = call(**parameters)
    yield page
    while page.get(token):
        page = call(**parameters, **{sent or token: page[token]})
        yield page
