"""Sound: samples at 16 kHz, mel spectra, HuBERT."""
