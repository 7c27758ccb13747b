"""How a rescue decides: the ways out, made and measured, and the plan of the one that is taken."""
