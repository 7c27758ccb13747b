"""How a damaged database is repaired: on copies, with what backups know, and with an account of every row."""
