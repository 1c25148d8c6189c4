"""Views of a journal for people: history, status, and events in words."""
