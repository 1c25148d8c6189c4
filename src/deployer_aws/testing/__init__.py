"""What users' own tests import: the contract of journals."""
