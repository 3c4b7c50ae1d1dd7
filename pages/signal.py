"""Watch a signal go through a network and the gradient come back."""

import streamlit as st

from initviz import narration, tables, ui
from initviz.charts import depth, distributions, neurons
from initviz.charts.picture import label_of, save
from initviz.diagnosis import KINDS, against_theory, verdict
from initviz.settings import PRESETS

ui.require_entrance()
settings = ui.current_settings()

st.header("What does the start do to the signal?", anchor=False)
with st.container(horizontal=True, gap="small"):
    for key, preset in PRESETS.items():
        st.button(preset.label, on_click=ui.set_controls, args=(preset.settings,), key=f"preset_{key}",
                  help=preset.sentence)

above = st.container()
with above:
    ui.refuse_the_unaffordable(settings)
    if not settings.init:
        st.info("Choose at least one initialiser in the sidebar, or a classic case above.", icon=":material/tune:")
        st.stop()

runs = ui.compare(settings)
predictions = [ui.cached_prediction(run, settings.input) for run in runs]

with st.grid(5, min_column_width=160, border=True, gap="small"):
    for run, prediction in zip(runs, predictions, strict=True):
        found = verdict(run)
        kind = KINDS[found.key]
        facts = [f":small[{name} **{value}**]" for name, value in found.numbers]
        theory = f":small[:gray[{against_theory(run, prediction)}]]"
        st.markdown("  \n".join([f"**{label_of(run.network.initializer)}**",
                                 f":{kind.color}[{kind.icon}] {found.words}", *facts, theory]))
st.caption("Different: neurons of the last hidden layer that are no copies. Signal: root mean square of the "
           "activations, last hidden layer ÷ first. Gradient: of the weight gradients, first layer ÷ last. "
           "1 keeps the scale.")

with st.container(horizontal=True, vertical_alignment="bottom"):
    ui.control("quantity")
    ui.control("scale")
    ui.control("scrub")
shapes = distributions.data(runs, settings.quantity)
if settings.scrub == "none":
    ui.show(distributions.picture(), shapes, height=distributions.height(settings.depth), key="distributions",
            on_select=ui.look_into_clicked_layer, selection_mode="cell")
else:
    ui.show_film(settings)
st.caption(f"{distributions.AXIS_TITLES[settings.quantity].capitalize()}; each layer is drawn to its own peak, ← and → "
           f"are shares beyond the axis. {narration.distributions(runs, settings.quantity)}")

ui.control("spread")
left, right = st.columns(2)
with left:
    st.markdown(f"**Forward →** {narration.spread_title(settings.spread, 'activations')}")
    ui.show(depth.forward_picture(), depth.data(runs, predictions, "activation", settings.spread), key="forward")
    st.caption(narration.forward(runs))
with right:
    st.markdown(f"**← Backward** {narration.spread_title(settings.spread, 'deltas dL/dz')}")
    ui.show(depth.backward_picture(), depth.data(runs, predictions, "delta", settings.spread), key="backward")
    st.caption(narration.backward(runs))
st.caption("Solid: measured. Dashed: mean-field theory, shaded its band for at least 95 % of all draws of the weights; "
           "on the way back it starts from the measured error at the output.")

layer = ui.layer_control("layer", settings.depth)
if layer:
    maps = [neurons.HeatMap(label_of(run.network.initializer), run.samples[layer - 1]) for run in runs]
    ui.show(neurons.picture(), neurons.data(maps), key="neurons")
    st.caption(narration.neurons(runs, layer))

with st.container(horizontal=True):
    ui.download("Numbers (CSV)", "initviz-layers.csv", lambda: tables.layers(runs).to_csv(index=False), "text/csv",
                key="numbers", help="Every statistic: a row an initialiser and layer.")
    ui.download("Histograms (CSV)", "initviz-histograms.csv",
                lambda: tables.histograms(runs, settings.quantity).to_csv(index=False), "text/csv",
                key="histograms", help="The counted bins of the distributions shown.")
    for form in ("svg", "png"):
        ui.download(f"Picture ({form.upper()})", f"initviz-{settings.quantity}.{form}",
                    lambda form=form: save(distributions.picture(), shapes, height=distributions.height(settings.depth),
                                           form=form), f"image/{'svg+xml' if form == 'svg' else 'png'}",
                    key=f"picture_{form}", help="The distributions shown, with their axes, on white.")
