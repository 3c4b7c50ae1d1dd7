"""Watch a signal go through a network and the gradient come back."""

import streamlit as st

from initviz import app
from initviz.app.settings import PRESETS
from initviz.app.signal import panels as signal
from initviz.app.signal import sentences as say
from initviz.charts import depth, distributions, neurons
from initviz.charts.picture import save
from initviz.core.initializers import label_of
from initviz.core.simulation import histogram_table, layer_table
from initviz.diagnosis.verdict import against_theory

app.require_entrance()
settings = app.current_settings()

st.header("What does the start do to the signal?", anchor=False)
st.markdown("A batch goes through an untrained network, and the gradient of its loss comes back. A good start keeps "
            "the neurons different and both at their scale. New here? [A lesson](lesson).")
with st.container(horizontal=True, gap="xsmall"):
    for key, preset in PRESETS.items():
        st.button(preset.label, on_click=app.set_controls, args=(preset.settings,), key=f"preset_{key}",
                  help=preset.sentence)

with st.container():
    app.refuse_the_unaffordable(settings)
    if not settings.init:
        st.info("Choose at least one initializer in the sidebar, or a classic case above.", icon=":material/tune:")
        app.stop()

# All is computed before anything is drawn: what arrives together is painted together.
runs = app.compare(settings, pairs=settings.layer > 0)
predictions = [app.cached_prediction(run, settings.input) for run in runs]
theories = [against_theory(run, prediction) for run, prediction in zip(runs, predictions, strict=True)]
shapes = distributions.data(runs, settings.quantity)
scales = [depth.data(runs, predictions, quantity, settings.spread) for quantity in ("activation", "delta")]
verdicts = signal.cards(runs, theories)

with st.grid(5, min_column_width=150, border=True, gap="xsmall"):
    for words in verdicts:
        st.markdown(words)
st.caption("Different: neurons of the last hidden layer that are no copies. Signal: root mean square of the "
           "activations, last hidden layer ÷ first. Gradient: length of the deltas, first hidden layer ÷ last. "
           "1 keeps the scale.")

with st.container(horizontal=True):
    for key in ("quantity", "scale", "scrub"):
        app.control(key)
axis = (f"{distributions.axis_title(settings.quantity)}; each layer is drawn to its own peak, ← and → are shares "
        "beyond the axis.")
if settings.scrub == "none":
    app.show(distributions.picture(), shapes, height=distributions.height(settings.depth), key="distributions",
            on_select=signal.look_into_clicked_layer, selection_mode="cell")
    st.caption(f"{axis} {say.distributions(runs, settings.quantity)}")
else:
    signal.show_film(settings)
    st.caption(axis)

app.control("spread")
if settings.depth < 2:
    st.info("A network of one layer has no hidden layer to follow: choose a depth of at least 2.",
            icon=":material/tune:")
else:
    left, right = st.columns(2)
    with left:
        st.markdown(f"**Forward →** {say.spread_title(settings.spread, 'activations')}")
        app.show(depth.forward_picture(), scales[0], key="forward")
        st.caption(say.forward(runs))
    with right:
        st.markdown(f"**← Backward** {say.spread_title(settings.spread, 'deltas dL/dz')}")
        app.show(depth.backward_picture(), scales[1], key="backward")
        st.caption(say.backward(runs))
    st.caption(f"{say.theory(runs, theories)} Solid: measured. Dashed: mean-field theory, what infinitely wide "
               "layers do; shaded: its band for at least 95 % of all draws of the weights at this width. On the way "
               "back it starts from the measured error at the output.")

layer = app.layer_control("layer", settings.depth)
if layer:
    maps = [neurons.HeatMap(label_of(run.network.initializer), run.samples[layer - 1]) for run in runs]
    st.markdown(f"**Layer {layer}**: a column a neuron, a row a sample")
    app.show(neurons.picture(), neurons.data(maps), key="neurons")
    st.caption(say.neurons(runs, layer))

with st.container(horizontal=True):
    app.download("Numbers (CSV)", "initviz-layers.csv",
                lambda: layer_table(app.compare(settings, pairs=True)).to_csv(index=False), "text/csv",
                key="numbers", help="Every statistic: a row an initializer and layer.")
    app.download("Histograms (CSV)", "initviz-histograms.csv",
                lambda: histogram_table(runs, settings.quantity).to_csv(index=False), "text/csv",
                key="histograms", help="The counted bins of the distributions shown.")
    for form in ("svg", "png"):
        app.download(f"Picture ({form.upper()})", f"initviz-{settings.quantity}.{form}",
                    lambda form=form: save(distributions.picture(), shapes, height=distributions.height(settings.depth),
                                           form=form), f"image/{'svg+xml' if form == 'svg' else 'png'}",
                    key=f"picture_{form}", help="The distributions shown, with their axes, on white.")
