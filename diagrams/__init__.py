"""The drawings of the machines and of the whole, and what renders them."""
