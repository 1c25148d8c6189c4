"""Records read from YAML: for spec files, their section `rehearse`, and the simulator's scripts.

`tree` parses a text into nodes that remember where they stand, `readers` turn nodes into values, and `findings` says
what is wrong: `file:line:column: path: text`.
"""
