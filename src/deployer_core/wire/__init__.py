"""Values to JSON and back, under the literal, versioned tags of their classes.

A value is written `[tag, payload]`; so is every field whose type is a union. A field of one class is the payload alone
while that class is in its first version, and `[tag, payload]` from its second on. Enumerations go by value, tuples
are arrays. Equal values give equal bytes, in every process.

A new shape takes a new tag, and says how the old one is read:

    @upcaster("Stack.BROKEN/1", "Stack.BROKEN/2")
    def _(old: Payload) -> Payload:
        return {**old, "since": None}

This module's functions are those of every tagged class of the core; a `Wire` has those of a set of classes.
"""

from typing import Final

from deployer_core.kernel.tags import TAGS, discover
from deployer_core.wire.errors import WireError
from deployer_core.wire.format import Wire
from deployer_core.wire.versions import Payload, Upcaster

__all__ = [
    "Payload",
    "Upcaster",
    "Wire",
    "WireError",
    "decode",
    "decode_payload",
    "encode",
    "encode_payload",
    "tag_of",
    "upcaster",
    "upcasters",
]

_WIRE: Final = Wire(TAGS, discover)
tag_of: Final = _WIRE.tag_of
encode: Final = _WIRE.encode
decode: Final = _WIRE.decode
encode_payload: Final = _WIRE.encode_payload
decode_payload: Final = _WIRE.decode_payload
upcaster: Final = _WIRE.upcaster
upcasters: Final = _WIRE.upcasters
