"""The four machines, one file each."""
