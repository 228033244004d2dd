"""Counts, rates, intervals and disparities; NumPy, SciPy and pandas only."""
