"""Reports as text for people: one module for each thing that is shown."""
