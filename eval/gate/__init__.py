"""The regression gate: may this checkpoint replace the baseline?"""
