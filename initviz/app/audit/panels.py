"""What the page Audit shows: the answer, the findings, scales over depth, equal tensors, the table, the files."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from initviz import app
from initviz.app.outside_text import plain
from initviz.app.pictures import table_height
from initviz.charts import equality
from initviz.charts.picture import SavedPicture
from initviz.core.citations import linked
from initviz.core.wording import counted, cut, listed, number
from initviz.diagnosis.audit import Audit
from initviz.diagnosis.audit.laws import FittingLaw, sources_of
from initviz.diagnosis.audit.pictures import (
    BAND,
    MOST_FAMILIES,
    equality_data,
    lines_on_one_another,
    scale_data,
    scale_families,
    scale_picture,
)
from initviz.diagnosis.audit.recipes import learned
from initviz.diagnosis.audit.records import AuditFinding

COLORS = {"error": "red", "warning": "orange", "note": "gray"}
MOST_GROUPS = 8  # of findings of one rule that are said; all stand in the table
MOST_LETTERS = 400


def show_answer(name: str, audit: Audit) -> None:
    """How many tensors are what they should be, and what is found, the most severe first."""
    name, tensors = plain(cut(name)), counted(len(audit.tensors), "tensor")
    against = f", held against the recipe {plain(audit.recipe.name)}" if audit.recipe else ""
    if not audit.findings:
        st.success(f"**Nothing is found in {name}**: {tensors}{against}.", icon=":material/check_circle:")
        return
    counts = listed([counted(sum(f.severity == severity for f in audit.findings), severity)
                     for severity in COLORS if any(f.severity == severity for f in audit.findings)])
    show = st.error if audit.severity == "error" else st.warning if audit.severity == "warning" else st.info
    show(f"**{counts} in {name}**: {tensors}{against}.", icon=":material/rule:")


def show_findings(audit: Audit) -> None:
    """What is found, findings of one rule together, and each by itself in a table."""
    groups: dict[tuple[str, str, str], list[AuditFinding]] = {}
    for finding in audit.findings:
        groups.setdefault((finding.severity, finding.key, finding.rule), []).append(finding)
    for (severity, _, rule), findings in list(groups.items())[:MOST_GROUPS]:
        more = f" {len(findings) - 1:,} more like it." if len(findings) > 1 else ""
        st.markdown(f":{COLORS[severity]}-badge[{severity}] {plain(findings[0].text[:MOST_LETTERS])}.{more}  \n"
                    f":small[Rule: {plain(rule[:MOST_LETTERS])}. Source: {linked(findings[0].source, plain)}.]")
    if not audit.findings:
        return
    with st.expander(f"All {len(audit.findings):,} findings" if len(audit.findings) > 1 else "The finding as a table",
                     icon=":material/table:"):
        st.dataframe(pd.DataFrame([{
            "Severity": finding.severity, "Tensors": ", ".join(finding.tensors[:3]) + (
                f" and {len(finding.tensors) - 3:,} more" if len(finding.tensors) > 3 else ""),
            "Measured": "" if finding.measured is None else number(finding.measured, 3),
            "Expected": _expectation(finding), "Ratio": "" if finding.ratio is None else number(finding.ratio, 3),
            "Rule": finding.rule, "Source": finding.source} for finding in audit.findings]),
            hide_index=True, height=table_height(len(audit.findings)))
        st.caption("Expected is followed by its sampling error, one standard deviation: of draws of standard deviation "
                   "σ and kurtosis κ, N of them, σ√((κ − 1) / 4N).")


def _expectation(finding: AuditFinding) -> str:
    if finding.expected is None:
        return ""
    return number(finding.expected, 3) + (f" ± {number(finding.expected_error, 1)}" if finding.expected_error else "")


def _source(source: str) -> str:
    """A source of the project's own, as links."""
    return linked(source) if not source.startswith("https://") else f"[{source.split('/')[2]}]({source})"


def show_scales(name: str, audit: Audit) -> None:
    """Families over depth; nothing where no family has several members."""
    families = scale_families(audit)
    if not families:
        return
    st.subheader("Scale over depth", anchor=False)
    st.markdown("One line a kind of tensor. Dashed is what " + (
        "the recipe asks for" if audit.recipe else "each kind shares, its median") +
        f", and the band around it {BAND} sampling errors: where a line leaves its band, the weights have "
        f"another scale.")
    drawn = SavedPicture(scale_picture(), scale_data(audit), "Scale over depth, log axis", "standard deviation")
    app.show(drawn.picture, drawn.data)
    if on_one_another := lines_on_one_another(audit):
        st.caption("On one another, from the widest line to the one on top, run "
                   + plain("; ".join(listed(labels) for labels in on_one_another)) + ".")
    app.offer_pictures(_settings_of(name, audit), [drawn], key="scales")
    if len(families) > MOST_FAMILIES:
        st.caption(f"{len(families) - MOST_FAMILIES:,} more kinds of tensors stand in the table alone.")


def _settings_of(name: str, audit: Audit) -> str:
    """What was audited, for a picture that stands alone."""
    against = f"recipe {audit.recipe.name}" if audit.recipe else "no recipe"
    return f"{cut(name)} · {counted(len(audit.tensors), 'tensor')} · {against}"


def show_equal(name: str, audit: Audit) -> None:
    """The map of equal tensors; nothing where no two are."""
    if not audit.equal:
        return
    st.subheader("Equal tensors", anchor=False)
    st.markdown("One row per kind of tensor, one column per block. Tensors of one color hold the same values, drawn "
                "once and copied; gray ones equal no other.")
    data = equality_data(audit)
    app.show(equality.picture(), data)
    app.offer_pictures(_settings_of(name, audit), [SavedPicture(equality.picture(), data, "Equal tensors")],
                       key="equal_tensors")
    if audit.tied:
        st.caption("Tied, one tensor under several names: " + "; ".join(
            plain(listed([cut(name) for name in names[:3]])) for names in audit.tied[:3]) + ".")


def show_tensors(audit: Audit) -> None:
    """One row per tensor, and where the laws that fit are written down."""
    st.subheader("Every tensor", anchor=False)
    frame = audit.frame
    table = pd.DataFrame({
        "Tensor": frame["name"], "Law": frame["law"], "Shape": frame["shape"], "Kind": frame["kind"],
        "Std": frame["std"], "Mean": frame["mean"], "Kurtosis": frame["kurtosis"],
        "Max ÷ std": frame["largest_over_std"], "Fans": [
            f"{record.role.fan_in}, {record.role.fan_out}" if record.role.fan_in else "" for record in audit.tensors]})
    if set(frame["dtype"]) != {"float32"}:
        table["Format"] = frame["dtype"]
    st.dataframe(table, hide_index=True, placeholder="", height=table_height(len(table)), column_config={
        "Tensor": st.column_config.TextColumn(width=168, pinned=True), "Law": st.column_config.TextColumn(
            width=300, help="All laws that draw such values more often than once in a million times."),
        "Shape": st.column_config.TextColumn(width=78), "Kind": st.column_config.TextColumn(width=82),
        "Fans": st.column_config.TextColumn(width=72, help="fan_in and fan_out: a neuron's inputs, an input's neurons"),
        **{name: st.column_config.NumberColumn(format="%.2g" if name == "Mean" else "%.3g", width=width)
           for name, width in (("Std", 62), ("Mean", 70), ("Kurtosis", 70), ("Max ÷ std", 76))}})
    for sentence in filter(None, (audit.say_passed_over, audit.say_uncovered)):
        st.caption(plain(f"{sentence}."))
    laws = list(dict.fromkeys(law for record in audit.tensors for law in record.laws if not law.free))
    with st.expander("Where these laws are written down", icon=":material/menu_book:"):
        st.markdown("  \n".join(_written(group) for group in _by_formula(laws)) or "No known law fits.")


def _by_formula(laws: Sequence[FittingLaw]) -> list[list[FittingLaw]]:
    groups: dict[str, list[FittingLaw]] = {}
    for law in laws:
        kind = next((kind for kind in ("one value", "orthogonal") if law.formula.startswith(kind)), law.formula)
        groups.setdefault(kind, []).append(law)
    return list(groups.values())


def _written(laws: Sequence[FittingLaw]) -> str:
    """A line: a formula, who uses it, and its sources as links."""
    sources = dict.fromkeys(_source(source) for law in laws for source in sources_of(law))
    users = dict.fromkeys(name for law in laws for name in law.known_as)
    formula = laws[0].formula if len(laws) == 1 else laws[0].formula.split(":")[0].split(",")[0]
    return f"**{plain(formula)}**: {plain(', '.join(users))}. {'; '.join(sources)}"


def show_downloads(audit: Audit) -> None:
    """The recipe that the file follows, and the audit."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        app.download("The recipe that this file follows (TOML)", "recipe.toml",
                     lambda: learned(audit.tensors, "learned").to_toml(), "application/toml", key="learned_recipe",
                     help="An entry a kind of tensor. Keep it in a repository, and let its CI run: "
                          "initviz audit FILE --recipe recipe.toml")
        app.download("The audit (JSON)", "audit.json", audit.to_json, "application/json", key="audit_json",
                     help="Tensors and findings, as initviz audit --json prints them.")
