"""Audio to video: the diffusion model of latent motion, driven by audio, pose and eyes."""
