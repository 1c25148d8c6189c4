"""Make boto3's clients, class AWS's errors, and read stacks, services and tasks; the IAM policy as data."""
