"""Whose is it, and why?  Departments, rules, the decision."""
