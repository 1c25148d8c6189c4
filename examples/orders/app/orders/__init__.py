"""The orders service, as far as its databases go."""
