"""Faces and non-faces drawn by a program: the embedded data set, whose every factor is known."""
