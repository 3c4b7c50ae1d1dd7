"""A recorded step of a model of any kind: findings by the same rules as a simulated network's, and two compared."""

from initviz.diagnosis.recording.comparison import Comparison
from initviz.diagnosis.recording.report import RecordingReport, examine

__all__ = ["Comparison", "RecordingReport", "examine"]
