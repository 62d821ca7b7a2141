"""Video, face and audio features of one clip, as pure functions on arrays."""
