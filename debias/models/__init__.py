"""Networks and their losses, and nothing else."""
