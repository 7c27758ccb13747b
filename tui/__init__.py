"""The terminal UI: a second face over `toolkit.operations`. Empty until its screens are built."""
