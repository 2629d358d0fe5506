"""What tracking raises itself; MLflow's own exceptions pass through and are retried."""

from __future__ import annotations


class TrackingError(Exception):
    """Tracking cannot go on as it is asked to: one line that says what to do."""
