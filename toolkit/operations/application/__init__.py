"""The application around a database: who holds it open, its services, its own smoke tests."""
