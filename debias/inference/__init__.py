"""Encoding and prediction with a trained model."""
