"""Counts, rates, intervals and disparities; NumPy and SciPy only."""
