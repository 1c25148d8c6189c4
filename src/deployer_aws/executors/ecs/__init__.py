"""ECS: RunTask and StopTask."""
