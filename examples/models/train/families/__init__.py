"""Small models with the structure of the published families, and what PyTorch makes of them. See README.md."""
