"""Configuration: YAML composed by Hydra, checked against frozen dataclasses before anything is built."""
