"""Latent histograms, the sampling weights they give, and the draws made by them."""
