"""How a database is diagnosed: its bytes, what SQLite says, its pages, what lies around it; and what that means."""
