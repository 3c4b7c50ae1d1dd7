"""Every initializer and activation: formula, variance for the sizes now chosen, source, code."""

import numpy as np
import streamlit as st

from initviz import app
from initviz.app.formulas import panels, quantities
from initviz.charts import curves
from initviz.charts.picture import UNORDERED
from initviz.core.wording import number

app.require_entrance()
settings = app.current_settings()

st.header("Formulas", anchor=False)
st.markdown(
    "Each weight of a layer with $n_{in}$ inputs and $n_{out}$ neurons is drawn by one of these laws and multiplied by "
    f"the gain, now {settings.gain:g}. Layers of the network now chosen: "
    + ", ".join(f"{fan_in} → {fan_out}" for fan_in, fan_out in quantities.shapes(settings)) + ".")
panels.show_answer(settings)

TABS = ["Initializers", "Activations", "Popular pairs"]
app.expect_choice("table", "Table", TABS)
initializers, activations, pairs = st.tabs(TABS, key="table", on_change="rerun", bind="query-params")

if initializers.open:
    with initializers:
        panels.show_initializers(settings)
        st.caption(
            "Notes often write Xavier as `randn(fan_in, fan_out) / sqrt(fan_in)`. That is LeCun's formula. Glorot and "
            f"Bengio's divides by the mean of both fans, and {quantities.xavier_and_lecun(settings)}.")

if activations.open:
    with activations:
        panels.show_activations(settings)

if pairs.open:
    with pairs:
        drifts = quantities.drifts(settings.width)
        st.markdown("What mean-field theory expects of popular pairs in wide square layers without biases (but for "
                    "PyTorch's default, which draws them), for unit inputs.")
        st.markdown("**Variance of the preactivations** against the layer")
        layers = np.arange(1, quantities.DRIFT_LAYERS + 1)
        app.show(curves.picture("Variance of the preactivations against the layer, one line a pair, log axis", "layer",
                                log=True, points=False),
                 curves.data([curves.Series(drift.label, color, layers, drift.length)
                              for drift, color in zip(drifts, UNORDERED, strict=False)], log=True))
        st.dataframe(quantities.drift_table(drifts), hide_index=True, width="stretch")
        size, decay = quantities.tanh_decay(drifts)
        st.caption(f"LeCun with tanh falls like 1/√(2l): the root mean square of h in layer {quantities.DRIFT_LAYERS} "
                   f"is {number(size, 3)}, and 1/√(2·{quantities.DRIFT_LAYERS}) is {number(decay, 3)}. The squared "
                   "gradient is multiplied by σ_w² E φ′² in each layer (Schoenholz et al. 2017).")
