"""The screens, one a digit, and what lies over them: plans, questions, help."""
