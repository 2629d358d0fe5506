"""How a scanning probe listens: modes that turn what is under the tip into channels, and the electronics between.

Every mode takes contacts [B, K] (K pixels in the order of the scan, or K steps of a bias waveform) and keys [B]; a
batch of one row and of many agree bit for bit. `docs/spm_signals.md` says what is modelled.
"""
