"""boto3 and what is read from AWS: clients, errors, accounts, permissions, stacks, services, tasks."""
