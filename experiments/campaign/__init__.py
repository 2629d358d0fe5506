"""The campaign: loop, budget, journal, resume, run folder. The journal is the only source of truth."""
