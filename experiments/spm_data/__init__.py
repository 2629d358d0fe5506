"""Recorded data of scanning probes, analysed by one command each: `python -m experiments.spm_data NAME`.

A file for every set; each has `analyse(folder) -> Findings`. `docs/spm_data.md` shows what they find.
"""
