"""How a restore replaces things: what would change, what is kept first, the journal, and taking it back."""
