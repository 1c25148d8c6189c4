"""The composition of the four machines into one deployer."""
