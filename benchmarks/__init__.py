"""How fast things are, beside a floor or a peer, in one interleaved run."""
