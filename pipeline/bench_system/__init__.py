"""`dawn bench-system`: how fast any system with a command line is."""
