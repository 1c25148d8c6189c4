"""What a machine is, and how typed handlers make one."""
