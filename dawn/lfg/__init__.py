"""The latent flow generator: from two frames to flow and occlusion, and back to a picture."""
