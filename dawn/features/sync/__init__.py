"""Whether a mouth goes with a sound: SyncNet, LR-ASD, and the crops they take."""
