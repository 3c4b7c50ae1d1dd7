"""A report on a start: findings, thresholds, remedies, and the report as a file."""

from initviz.report.exports import to_html, to_json
from initviz.report.findings import Finding
from initviz.report.report import Report, diagnose
from initviz.report.shown import comparison, facts, pictures, say_pictures, settings, shares_of_largest, table
from initviz.report.thresholds import DEFAULTS, THRESHOLDS, Threshold, check_lines, mend_lines

__all__ = [
    "DEFAULTS", "THRESHOLDS", "Finding", "Report", "Threshold", "check_lines", "comparison", "diagnose", "facts",
    "mend_lines", "pictures", "say_pictures", "settings", "shares_of_largest", "table", "to_html", "to_json",
]
