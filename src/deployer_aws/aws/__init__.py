"""What is read from AWS, and how it is called: clients, the error table, permissions, stacks, services, tasks."""
