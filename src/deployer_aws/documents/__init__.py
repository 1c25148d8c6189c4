"""YAML documents as trees that remember lines, and records read from them."""
