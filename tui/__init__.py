"""The terminal UI: a second face over `toolkit.operations`. `launch` opens it; Textual is imported after that."""
