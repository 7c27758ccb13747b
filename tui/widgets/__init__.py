"""What the screens are made of: the list, the lines at the edge, the field for a filter."""
