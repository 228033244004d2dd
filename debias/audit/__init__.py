"""What can be found in an image set without training: NumPy, SciPy and pandas only."""
