"""Generation: from one portrait and a voice to a video, in bounded memory."""
