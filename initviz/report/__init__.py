"""A report on a start: findings, thresholds, remedies, and the report as a file."""

from initviz.report.exports import comparison, facts, pictures, table, to_html, to_json
from initviz.report.findings import Finding, Report, diagnose
from initviz.report.thresholds import DEFAULTS, THRESHOLDS, Threshold, check_lines, mend_lines

__all__ = [
    "DEFAULTS", "THRESHOLDS", "Finding", "Report", "Threshold", "check_lines", "comparison", "diagnose", "facts",
    "mend_lines", "pictures", "table", "to_html", "to_json",
]
