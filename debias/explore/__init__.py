"""What a latent space holds: pictures of it, and scores of how well it separates known factors."""
