"""The addresses that notices go to, as a person names them."""

import re

from attrs import frozen

_ADDRESS = re.compile(
    r"""(?x) log | eventbridge (: (arn:aws[a-z-]*:events:[a-z0-9-]+:\d{12}:event-bus/)? [\w./-]{1,256} )?
           | sns: arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}""",
    re.ASCII,
)


@frozen
class Address:
    """An address of notices: `eventbridge`, `eventbridge:BUS`, `sns:TOPIC_ARN` or `log`."""

    kind: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read an address. Raises ValueError, in words, for what is none."""
        if not _ADDRESS.fullmatch(text):
            raise ValueError(
                f"{text!r:.200} is none of eventbridge, eventbridge:BUS (a name or an ARN), sns:TOPIC_ARN (not a FIFO "
                "one) and log"
            )
        kind, _, name = text.partition(":")
        return cls(kind, name)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind
