"""Every initializer and activation: formula, variance for the sizes now chosen, source, code."""

import numpy as np
import streamlit as st

from initviz import app
from initviz.app import formulas
from initviz.charts import curves
from initviz.charts.picture import UNORDERED
from initviz.core.activations import ACTIVATIONS
from initviz.core.frameworks import FRAMEWORKS
from initviz.core.initializers import INITIALIZERS
from initviz.core.wording import number

app.require_entrance()
settings = app.current_settings()

st.header("Formulas", anchor=False)
st.markdown(
    "Each weight of a layer with $n_{in}$ inputs and $n_{out}$ neurons is drawn by one of these laws and multiplied by "
    f"the gain, now {settings.gain:g}. Layers of the network now chosen: "
    + ", ".join(f"{fan_in} → {fan_out}" for fan_in, fan_out in formulas.shapes(settings)) + ".")

initializers, activations, pairs = st.tabs(["Initializers", "Activations", "Popular pairs"], key="table",
                                           on_change="rerun", bind="query-params")

if initializers.open:
    with initializers:
        st.info(
            "Notes often write Xavier as `randn(fan_in, fan_out) / sqrt(fan_in)`. That is LeCun's formula. Glorot and "
            f"Bengio's divides by the mean of both fans, and {formulas.xavier_and_lecun(settings)}.",
            icon=":material/compare_arrows:")
        framework = st.segmented_control(
            "Code for", FRAMEWORKS, default="NumPy", required=True, key="framework", bind="query-params",
            help="The line that draws the same law.") or "NumPy"
        for key, entry in INITIALIZERS.items():
            with st.container(border=True):
                law, picture = st.columns([3, 1], vertical_alignment="center")
                with law:
                    st.markdown(f"**{entry.label}** · `{key}`  \n{entry.sentence}")
                    st.latex(entry.latex)
                    st.markdown("  \n".join(
                        f":small[{promise.fan_in} → {promise.fan_out}: variance {number(promise.variance)}, "
                        f"standard deviation {number(promise.std)}"
                        + (f", mean {number(promise.mean)}" if promise.mean else "") + "]"
                        for promise in formulas.promises(key, settings)))
                    st.caption(f"Made for {entry.made_for}. Source: {entry.source}.")
                with picture:
                    st.metric(f"Std, {settings.width} → {settings.width}",
                              number(formulas.hidden(key, settings).std), chart_type="bar",
                              chart_data=formulas.distribution(key, settings),
                              help="Standard deviation of the weights of a hidden layer, and the weights counted "
                                   "between −4 and 4 times 1/√fan_in; the outermost bars hold all that lies beyond.")
                st.code(formulas.code(key, framework, settings), language="python", wrap_lines=True)

if activations.open:
    with activations, st.grid(min_column_width=300, border=True):
        for key, entry in ACTIVATIONS.items():
            with st.container():
                st.markdown(f"**{entry.label}** · `{key}`  \n{entry.remark}")
                st.latex(entry.latex)
                st.metric("Slope at 0", number(formulas.slope_at_zero(key, settings)), chart_type="line",
                          chart_data=formulas.activation_curve(key, settings), help="phi(z) for z from −4 to 4.")
                gain = number(formulas.variance_keeping_gain(key, settings), 3)
                st.markdown(f":small[Gain that keeps a variance of 1: **{gain}** = 1/√(E φ²) for a unit normal z]")
                st.caption(f"Source: {entry.source}.")

if pairs.open:
    with pairs:
        found = formulas.drifts(settings.width)
        st.markdown("What mean-field theory expects of popular pairs in wide square layers without biases (but for "
                    "PyTorch's default, which draws them), for unit inputs.")
        st.markdown("**Variance of the preactivations** against the layer")
        layers = np.arange(1, formulas.DRIFT_LAYERS + 1)
        app.show(curves.picture("Variance of the preactivations against the layer, one line a pair, log axis", "layer",
                               log=True, points=False),
                curves.data([curves.Series(drift.label, color, layers, drift.length)
                             for drift, color in zip(found, UNORDERED, strict=False)], log=True))
        st.dataframe(formulas.drift_table(found), hide_index=True, width="stretch")
        size, decay = formulas.tanh_decay(found)
        st.caption(f"LeCun with tanh falls like 1/√(2l): the root mean square of h in layer {formulas.DRIFT_LAYERS} is "
                   f"{number(size, 3)}, and 1/√(2·{formulas.DRIFT_LAYERS}) is {number(decay, 3)}. The squared gradient "
                   "is multiplied by σ_w² E φ′² in each layer (Schoenholz et al. 2017).")
