"""Faces: detection, landmarks, crops, pose, eyes, identity."""
