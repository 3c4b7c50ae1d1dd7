"""What should happen in a wide network, before anything is computed, and what does."""

import time

import numpy as np
import streamlit as st

from initviz import formats, narration, outlook, ui
from initviz.charts import curves, depth, phase, staircase, survival
from initviz.charts.picture import UNORDERED, color_of, label_of
from initviz.diagnosis import against_theory
from initviz.meanfield import field_of

ui.require_entrance()
settings = ui.current_settings()

st.header("What should happen?", anchor=False)
st.markdown(
    "In a wide layer a preactivation is normal, and one number says how wide: its variance, the *length* q. With "
    "$\\sigma_w^2 = n_{in}\\,\\mathrm{Var}\\,W$ and $\\sigma_b^2 = \\mathrm{Var}\\,b$ the next layer's is "
    "$V(q) = \\sigma_w^2\\,\\mathbb{E}\\,\\phi(\\sqrt{q}\\,g)^2 + \\sigma_b^2$, g a unit normal. What follows from it "
    "is drawn here over a real network. :small[Poole et al. 2016; Schoenholz et al. 2017.]")

with st.container(horizontal=True, vertical_alignment="bottom"):
    for key in ("sigma_w", "sigma_b"):
        ui.control(key)
with st.container():
    ui.refuse_the_unaffordable(settings)

network = settings.network_at_point()
field = field_of(network)
found = ui.cached_fixed_point(field, settings.sigma_w, settings.sigma_b)
run = ui.cached_runs((network,), settings.input, settings.batch, "linear", "activation")[0]
prediction = ui.cached_prediction(run, settings.input)

left, right = st.columns([3, 2])
with left:
    diagram = ui.cached_diagram(field)
    st.markdown("**Phase diagram**: click to choose σ_w and σ_b")
    ui.show(phase.picture(outlook.MOST_W, outlook.MOST_B),
            phase.data(diagram.chi, outlook.MOST_W, outlook.MOST_B, diagram.critical, outlook.points(settings),
                       (settings.sigma_w, settings.sigma_b)),
            key="phase", on_select=ui.go_to_clicked_point, selection_mode="spot")
    st.caption("Blue: ordered, χ₁ < 1. Red: chaotic, χ₁ > 1. The paler, the more layers a gradient lasts; the line is "
               "critical, χ₁ = 1. Grey: the length grows without bound. Points are the chosen initialisers in this "
               "network's hidden layers, the cross is the network drawn here.")
with right:
    st.markdown(f"**At the cross** the network is {narration.PHASES[found.phase]}.")
    st.markdown("  \n".join(f"**{name}** = {value}  \n:small[:gray[{meaning}]]"
                            for name, value, meaning in narration.point(found)))
    st.caption(f"{against_theory(run, prediction)} χ₁ = σ_w² E φ′². ξ = −1/ln of the factor by which a layer shrinks a "
               "deviation. A network trains to a depth of about 6 ξ_c (Schoenholz et al. 2017, of one setting).")

names = ["Signal and gradient", "Variance map", "Two inputs", "Dead neurons", "Depth × width", "Singular values",
         "Number formats"]
tabs = dict(zip(names, st.tabs(names, key="show", on_change="rerun", bind="query-params"), strict=True))

if tabs["Signal and gradient"].open:
    with tabs["Signal and gradient"]:
        ahead, back = st.columns(2)
        with ahead:
            st.markdown("**Forward →** Root mean square of the activations")
            ui.show(depth.forward_picture(), depth.data([run], [prediction], "activation", "rms", name="this network"),
                    key="point_forward")
        with back:
            st.markdown("**← Backward** Root mean square of the deltas dL/dz")
            ui.show(depth.backward_picture(), depth.data([run], [prediction], "delta", "rms", name="this network"),
                    key="point_backward")
        st.caption("Solid: this network, normal weights of σ_w/√n_in. Dashed: theory; the band holds at least 95 % of "
                   "all draws of the weights (Hanin and Nica 2018 for ReLU: the logarithm of the squared length varies "
                   "by 5/width a layer).")

if tabs["Variance map"].open:
    with tabs["Variance map"]:
        if prediction is None:
            st.info("At σ_w = 0 every layer's length is σ_b²: there is no step to draw.", icon=":material/tune:")
        else:
            ui.show(staircase.picture(), staircase.data(**outlook.staircase(
                field, settings.sigma_w, settings.sigma_b, run, float(prediction.preactivation_std[0]) ** 2)))
            st.caption("Blue: V(q). Orange: the steps that theory takes from this network's first layer, each to the "
                       "curve and back to the dotted diagonal. Green: the measured lengths of neighbouring layers. "
                       "Where the curve crosses the diagonal from above, the length settles.")

if tabs["Two inputs"].open:
    with tabs["Two inputs"]:
        ui.control("correlation")
        expected, measured, low, high = ui.cached_correlations(network, settings.correlation)
        layers = np.arange(1, len(measured) + 1)
        ui.show(curves.picture("Correlation of two inputs' preactivations against the layer", "hidden layer",
                               log=False), curves.data([curves.Series(
                    "this network", UNORDERED[1], layers, measured, expected=(expected, low, high))], log=False))
        st.caption("Cosine of two inputs' preactivations, less the common bias. Solid: measured; dashed: theory's "
                   "limit of infinite width; shaded: from least to most of some other draws of the weights. "
                   "C(c) = (σ_w² E φ(u₁)φ(u₂) + σ_b²) / q, from layer to layer. "
                   f"{narration.correlation(expected, measured)}")

if tabs["Dead neurons"].open:
    with tabs["Dead neurons"]:
        if not field.phi.dies:
            st.info(f"No neuron of {field.phi.label} is ever off: it passes something on at every preactivation. "
                    "Choose ReLU in the sidebar.", icon=":material/tune:")
        elif settings.depth < 2:
            st.info("A network of one layer has no hidden layer: choose a depth of at least 2.", icon=":material/tune:")
        else:
            expected, measured, lost = ui.cached_dead_shares(run, settings.input)
            layers = np.arange(1, settings.depth)
            ui.show(curves.picture("Share of dead neurons against the layer", "hidden layer", log=False),
                    curves.data([curves.Series("this network", UNORDERED[1], layers, measured,
                                               expected=(expected, expected, expected))], log=False))
            said = narration.dead(expected, measured, lost, settings.bias)
            st.caption("Share of neurons whose preactivation is below 0 for every sample of the batch: no gradient "
                       "reaches their weights. Dashed: a wide network's, from the samples' mean correlation, "
                       "E Φ(−u/√(1−c))^m for m samples. Nothing dies with depth: the samples become alike, and a "
                       f"neuron is off for all of them or for none. {said}")

if tabs["Depth × width"].open:
    with tabs["Depth × width"]:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            for key in ("deepest", "widest", "seeds"):
                ui.control(key)
        sweep = ui.current_survival(settings.network_at_point((8, 8, 10)), settings.deepest, settings.widest,
                                    settings.seeds)
        with st.container(horizontal=True, vertical_alignment="center"):
            bar = st.progress(sweep.progress, sweep.said, width=420)
            st.button("Stop", icon=":material/stop:", on_click=sweep.stop, disabled=sweep.finished or sweep.stopped,
                      key="sweep_stop", help="Keep what has been computed so far.")
            st.button("Go on", icon=":material/play_arrow:", on_click=sweep.resume,
                      disabled=not sweep.stopped or sweep.finished, key="sweep_go",
                      help="Continue the stopped sweep.")
        chart = ui.show(survival.picture(), survival.data(sweep.shares(), sweep.depths, sweep.widths))
        st.caption("Share of the seeds whose gradient arrives at the first hidden layer neither below a tenth nor "
                   "above ten times its length at the last one, on standard normal inputs. "
                   "`initviz.sweep(networks, executor=...)` computes the same on any executor, a cluster's too.")
        while not (sweep.finished or sweep.stopped):
            sweep.advance(until=time.monotonic() + 0.3)
            bar.progress(sweep.progress, sweep.said)
            ui.show(survival.picture(), survival.data(sweep.shares(), sweep.depths, sweep.widths), into=chart)
            if sweep.finished:
                st.rerun()

if tabs["Singular values"].open:
    with tabs["Singular values"]:
        if settings.depth < 2:
            st.info("A network of one layer has no hidden layer: choose a depth of at least 2.", icon=":material/tune:")
        else:
            spectra = ui.cached_spectra(network)
            series = []
            for key, spectrum in spectra.items():
                at, middle = np.array(spectrum.layers), np.sqrt(spectrum.mean_square)
                series.append(curves.Series(f"{label_of(key)}, largest", color_of(key), at, spectrum.values[:, 0],
                                            expected=(middle, middle, middle)))
                series.append(curves.Series(f"{label_of(key)}, median", color_of(key), at,
                                            np.median(spectrum.values, axis=1)))
            ui.show(curves.picture("Singular values of the Jacobian against the layer, log axis", "hidden layer",
                                   log=True), curves.data(series, log=True))
            st.dataframe(outlook.spectrum_table(spectra), hide_index=True, width="stretch")
            st.caption("Singular values s of dh/dx at one input of mean square 1, exact (SVD, float64), in a network "
                       f"of width {min(settings.width, outlook.WIDEST_JACOBIAN)}. Dashed: theory's root mean square. "
                       "Their mean square is the product of χ₁ over the layers; orthogonal weights lack the variance "
                       "that Gaussian ones add in each layer (Saxe et al. 2014; Pennington et al. 2017).")

if tabs["Number formats"].open:
    with tabs["Number formats"]:
        runs = ui.compare(settings) if settings.init else []
        if not runs:
            st.info("Choose at least one initialiser in the sidebar.", icon=":material/tune:")
        else:
            hidden = max(settings.depth - 1, 1)
            ahead, back = st.columns(2)
            for place, picture, quantity, words in (
                    (ahead, depth.forward_picture(), "activation", "**Forward →** Root mean square of the activations"),
                    (back, depth.backward_picture(), "delta", "**← Backward** Root mean square of the deltas dL/dz")):
                with place:
                    st.markdown(words)
                    low, high = formats.range_of(*(part.column(f"{quantity}_rms")[:hidden] for part in runs))
                    ui.show(picture, depth.data(runs, [None] * len(runs), quantity, "rms",
                                                guides=formats.lines_within(low, high)), key=f"formats_{quantity}")
            st.dataframe(outlook.formats_table(runs), hide_index=True, width="stretch")
            st.caption("The initialisers of the sidebar, computed in float32. A typical value (root mean square) "
                       "leaves a format where it would be rounded to 0 or is larger than its largest number. Dotted: "
                       "the ends of the formats that are within reach. The loss is not scaled, as it would be in mixed "
                       "precision.")
