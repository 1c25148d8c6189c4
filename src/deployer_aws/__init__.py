"""The adapter: runs the commands of `deployer_core` and feeds back events."""
