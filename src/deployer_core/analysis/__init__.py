"""What can be known of the machines without running them for real: drawings, previews, exploration."""
