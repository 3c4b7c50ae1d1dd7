"""What the Theory page shows under its phase diagram: a function a tab."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import streamlit as st

from initviz import app
from initviz.app.caches import cached
from initviz.app.controls import set_controls
from initviz.app.settings import CONTROLS, Settings
from initviz.app.theory import quantities, width
from initviz.app.theory import sentences as say
from initviz.app.theory.meaning import show_quantities
from initviz.charts import curves, depth, staircase, survival
from initviz.charts.picture import UNORDERED, SavedPicture, color_of
from initviz.core.arrays import Array
from initviz.core.initializers import label_of
from initviz.core.network import Network
from initviz.core.simulation import Run
from initviz.core.wording import number
from initviz.theory import precision
from initviz.theory.dead_neurons import born_dead, expected_dead_shares
from initviz.theory.jacobian import Spectrum
from initviz.theory.mean_field import Field, FixedPoint, preactivation_variance
from initviz.theory.prediction import Prediction
from initviz.theory.trajectory import field_of
from initviz.training.sweeps import Survival

ONE_LAYER = "A network of one layer has no hidden layer: choose a depth of at least 2."
SHORTEST = 1e-3  # a gradient's length, beyond which it is no longer drawn
PLANE = CONTROLS["sigma_w"].interval.high, CONTROLS["sigma_b"].interval.high

cached_diagram = cached(16e6)(quantities.diagram)


@cached(1e6)
def cached_fixed_point(field: Field, sigma_w: float, sigma_b: float, mean_square: float) -> FixedPoint:
    """Where the lengths settle that begin with inputs of that mean square."""
    return field.fixed_point(sigma_w, sigma_b, preactivation_variance(mean_square, sigma_w, sigma_b))


@cached(1e6)
def cached_reach(field: Field, sigma_w: float, sigma_b: float, mean_square: float) -> Array:
    """``quantities.expected_reach``."""
    return quantities.expected_reach(field, sigma_w, sigma_b, mean_square)


@cached(8e6)
def _cached_spectra(network: Network) -> dict[str, Spectrum]:
    return quantities.spectra(network)


@cached(4e6)
def _cached_correlations(network: Network, correlation: float) -> tuple[Any, ...]:
    return quantities.correlations(network, correlation)


@cached(1e6)
def _cached_dead_shares(network: Network, input_key: str, count: int) -> Any:
    return expected_dead_shares(network, app.cached_batch(input_key, count, network.seed, network.sizes[0]).x)


def go_to_clicked_point() -> None:
    """Callback of a click on the phase diagram."""
    clicked = st.session_state["phase"].selection.get("spot", [])
    if clicked:
        set_controls({key: float(clicked[0][key]) for key in ("sigma_w", "sigma_b")})


def choose_point(settings: Settings, points: Mapping[str, tuple[float, float]]) -> None:
    """A button for each classic point, the one that is shown marked, and the two sliders."""
    with st.container(horizontal=True, gap="xsmall"):
        for name, (sigma_w, sigma_b) in points.items():
            is_chosen = bool(np.allclose((sigma_w, sigma_b), (settings.sigma_w, settings.sigma_b), rtol=0, atol=1e-9))
            st.button(name, on_click=set_controls, args=({"sigma_w": sigma_w, "sigma_b": sigma_b},),
                      key=f"point_{name}", icon=":material/check:" if is_chosen else None,
                      help=f"σ_w = {number(sigma_w, 3)}, σ_b = {number(sigma_b, 3)}.")
    with st.container(horizontal=True):
        for key in ("sigma_w", "sigma_b"):
            app.control(key)


def gradient_reach(run: Run, expected: Array) -> SavedPicture:
    """Draws and returns how a gradient grows or fades with the layers that it goes back through, far beyond the
    network's depth.
    """
    series = []
    for name, color, lengths in (("theory", UNORDERED[0], expected),
                                 ("this network", UNORDERED[1], quantities.measured_reach(run))):
        layers_shown = np.flatnonzero((lengths >= SHORTEST) & (lengths <= 1 / SHORTEST))
        series.append(curves.Series(name, color, layers_shown, lengths[layers_shown]))
    st.markdown("**How far a gradient gets**: its length after so many layers back (log axis)")
    drawn = SavedPicture(
        curves.picture("Length of a gradient against the layers it has gone back through, log axis", "layers back",
                       log=True, points=False),
        curves.data(series, log=True, guides=[(10.0, "ten times"), (0.1, "a tenth")],
                    last=quantities.DEEPEST_GRADIENT), "How far a gradient gets, log axis", "length of the gradient")
    app.show(drawn.picture, drawn.data, key="reach", height=250)
    return drawn


@dataclass(frozen=True, eq=False)
class TheoryView:
    """What a tab is about: the settings, the network at their point, what it did and what theory expects of it.

    ``mean_square`` is that of the entries of the inputs.
    """

    settings: Settings
    network: Network
    mean_square: float
    run: Run
    prediction: Prediction | None
    fixed_point: FixedPoint

    @property
    def field(self) -> Field:
        """The wide limit of the network."""
        return field_of(self.network)


def _info(words: str) -> None:
    st.info(words, icon=":material/tune:")


def _meaning(view: TheoryView) -> None:
    show_quantities(view.run, view.prediction, _cached_correlations(view.network, view.settings.correlation),
                    view.fixed_point)


def _signal_and_gradient(view: TheoryView) -> None:
    run, prediction = view.run, view.prediction
    st.markdown("How large the signal is on its way forward and the gradient on its way back: what happened in this "
                "network, and what theory says of infinitely wide ones before a weight is drawn.")
    ahead, back = st.columns(2)
    with ahead:
        st.markdown("**Forward →** Root mean square of the activations (log axis)")
        app.show(depth.forward_picture(), depth.data([run], [prediction], "activation", "rms", name="this network"),
                key="point_forward")
    with back:
        st.markdown("**← Backward** Root mean square of the deltas dL/dz (log axis)")
        app.show(depth.backward_picture(), depth.data([run], [prediction], "delta", "rms", name="this network"),
                key="point_backward")
    st.caption("Solid: this network. Dashed: theory. Shaded: where about 96 % of all draws of the weights stay.")
    app.more(f"{say.scales(run, prediction)} Weights are normal, of standard deviation σ_w/√fan_in. In the band all "
             "hidden layers lie at once; it is made from draws of the very law. Each layer adds the variance of an "
             "average over its neurons to the logarithm of the squared length, 5/width for ReLU (Hanin and Nica "
             "2018); where lengths return to q*, they forget it after some ξ_q layers, and forward the band stops "
             "widening.")


def _variance_map(view: TheoryView) -> None:
    if view.prediction is None:
        _info("At σ_w = 0 every layer's length is σ_b²: there is no step to draw.")
        return
    if view.settings.depth < 3:
        _info("A step leads from one hidden layer to the next: choose a depth of at least 3.")
        return
    expected = quantities.staircase(view.network, view.run, view.mean_square)
    st.markdown("One curve tells the whole way: it takes the signal's variance in a layer to that in the next. Follow "
                "the steps to the point where curve and diagonal meet: there the variance stays.")
    st.markdown("**Variance q in the next layer** against that in a layer")
    app.show(staircase.picture(), staircase.data(**expected))
    st.caption("Blue: theory's curve V(q). Orange: theory's steps from this network's first layer, each to the curve "
               "and back to the dotted diagonal. Green: neighboring layers, measured.")
    app.more(f"{say.lengths(view.run, expected['lengths'])} Where the curve crosses the diagonal from above, the "
             "length settles (Poole et al. 2016).")


def _two_inputs(view: TheoryView) -> None:
    st.markdown("Two inputs go through the same network. A network that makes them alike cannot tell them apart; one "
                "that tears near ones apart cannot learn what they share.")
    app.control("correlation")
    expected, measured, low, high = _cached_correlations(view.network, view.settings.correlation)
    layers = np.arange(1, len(measured) + 1)
    st.markdown("**Correlation of two inputs' preactivations**")
    app.show(curves.picture("Correlation of two inputs' preactivations against the layer", "hidden layer", log=False),
            curves.data([curves.Series("this network", UNORDERED[1], layers, measured, expected=(
                expected, expected if low is None else low, expected if high is None else high))], log=False))
    st.markdown(say.correlation(expected, measured))
    shaded = "" if low is None else "; shaded: from least to most of some other draws of the weights"
    st.caption(f"Solid: measured; dashed: theory, what infinitely wide layers do{shaded}.")
    app.more("Drawn is the cosine of the two inputs' preactivations, less the common bias. A layer maps a correlation "
             "c to C(c) = (σ_w² E φ(u₁)φ(u₂) + σ_b²) / q, where u₁ and u₂ are normal of variance q and correlation c "
             "(Poole et al. 2016).")


def _dead_neurons(view: TheoryView) -> None:
    if not view.field.phi.dies:
        _info(f"No neuron of {view.field.phi.label} is ever off: on no stretch of preactivations is it exactly 0. "
              "Choose ReLU in the sidebar.")
        return
    expected = _cached_dead_shares(view.network, view.settings.input, view.run.batch)
    measured: Any = view.run.column("dead_share")[: view.settings.depth - 1]
    probability = born_dead(view.network.sizes[1:-1])
    st.markdown("A neuron is dead where its sum is at or below 0 for every sample: ReLU then puts out 0, and no "
                "gradient reaches its weights.")
    st.markdown("**Share of dead neurons**")
    app.show(curves.picture("Share of dead neurons against the layer", "hidden layer", log=False),
            curves.data([curves.Series("this network", UNORDERED[1], np.arange(1, view.settings.depth), measured,
                                       expected=(expected, expected, expected))], log=False))
    st.markdown(say.dead(expected, measured, probability, view.settings.bias))
    st.caption("Solid: measured. Dashed: theory.")
    app.more("A wide network's share is E Φ(−u/√(1−c))ᵐ for m samples of correlation c, where u is normal of variance "
             "c and Φ the normal distribution function (derived from Cho and Saul 2009's kernel: given what all "
             "samples share, each is off on its own).")


def _depth_and_width(view: TheoryView) -> None:
    settings = view.settings
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for key in ("deepest", "widest", "seeds"):
            app.control(key)
    st.markdown("Many networks are drawn at each depth and width. Wide ones behave like theory's; in narrow, deep ones "
                "chance decides whether a gradient arrives.")
    sweep = _current_survival(settings.network_at_point((8, 8, 10)), settings)
    with st.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(sweep.progress, sweep.text, width=420)
        st.button("Stop", icon=":material/stop:", on_click=sweep.stop, disabled=sweep.finished or sweep.stopped,
                  key="sweep_stop", help="Keep what has been computed so far.")
        st.button("Go on", icon=":material/play_arrow:", on_click=sweep.resume,
                  disabled=not sweep.stopped or sweep.finished, key="sweep_go", help="Continue the stopped sweep.")
    st.markdown("**Share of networks whose gradient survives**")

    def data() -> Any:
        return survival.data(sweep.shares(), sweep.depths, sweep.widths)

    chart = app.show(survival.picture(), data())
    words = st.empty()
    words.caption(_survival_words(sweep))
    while not (sweep.finished or sweep.stopped):
        sweep.advance(until=time.monotonic() + 0.3)
        bar.progress(sweep.progress, sweep.text)
        app.show(survival.picture(), data(), into=chart)
        words.caption(_survival_words(sweep))
        if sweep.finished:
            st.rerun()


def _survival_words(sweep: Survival) -> str:
    return (f"{say.survival(sweep.shares(), sweep.widths)} A gradient survives where it arrives at the first hidden "
            "layer neither below a tenth nor above ten times its length at the last one, on standard normal inputs. "
            "`initviz.sweep(networks, executor=...)` computes the same on any executor, a cluster's too.")


def _current_survival(network: Network, settings: Settings) -> Survival:
    """This session's sweep of a network's sizes: the one begun before where there is one, as far as it got."""
    survival = quantities.survival(network, settings.deepest, settings.widest, settings.seeds)
    current = st.session_state.get("survival")
    if current is None or current.terms != survival.terms:
        current = st.session_state["survival"] = survival
    return current


def _singular_values(view: TheoryView) -> None:
    spectra = _cached_spectra(view.network)
    series = []
    for key, spectrum in spectra.items():
        layers, middle = np.array(spectrum.layers), np.sqrt(spectrum.mean_square)
        series.append(curves.Series(f"{label_of(key)}, largest", color_of(key), layers, spectrum.values[:, 0],
                                    expected=(middle, middle, middle)))
        series.append(curves.Series(f"{label_of(key)}, median", color_of(key), layers,
                                    np.median(spectrum.values, axis=1)))
    st.markdown("A small change of the input is stretched in some directions and squeezed in others on its way to a "
                "layer: the singular values are these factors. Where they spread over many powers of ten, one learning "
                "rate cannot suit all directions; orthogonal weights keep them closer together.")
    st.markdown("**Singular values s of the Jacobian dh/dx** (log axis)")
    app.show(curves.picture("Singular values of the Jacobian against the layer, log axis", "hidden layer", log=True),
            curves.data(series, log=True))
    st.dataframe(quantities.spectrum_table(spectra), hide_index=True, width="stretch")
    width = min(view.settings.width, quantities.WIDEST_JACOBIAN)
    st.caption("Dashed: theory's root mean square.")
    app.more(f"At one input of mean square 1, exact (SVD, float64), in a network of width {width}. Theory: where "
             "lengths have settled, s² has over L layers the mean χ₁^L and the variance χ₁^(2L) · L · (E φ′⁴/(E φ′²)² "
             "− 1 + v), where v is 1 for Gaussian weights and 0 for orthogonal ones (Saxe et al. 2014; Pennington et "
             "al. 2017).")


def _number_formats(view: TheoryView) -> None:
    settings = view.settings
    if not settings.init:
        _info("Choose at least one initializer in the sidebar.")
        return
    st.markdown("A computer's number has a smallest and a largest size. A signal or gradient that leaves this range "
                "becomes 0 or overflows: the network is lost before it learns.")
    runs = app.compare(settings)
    hidden = settings.depth - 1
    ahead, back = st.columns(2)
    for place, picture, quantity, words in (
            (ahead, depth.forward_picture(), "activation", "**Forward →** Root mean square of the activations"),
            (back, depth.backward_picture(), "delta", "**← Backward** Root mean square of the deltas dL/dz")):
        with place:
            st.markdown(f"{words} (log axis)")
            low, high = precision.range_of(*(part.column(f"{quantity}_rms")[:hidden] for part in runs))
            app.show(picture, depth.data(runs, [None] * len(runs), quantity, "rms",
                                        guides=precision.lines_within(low, high)), key=f"formats_{quantity}")
    st.dataframe(quantities.formats_table(runs), hide_index=True, width="stretch")
    app.more("The initializers of the sidebar, computed in float32: the layer at which a typical value (root mean "
               "square) would be rounded to 0 or is larger than the format's largest number, for the signal on its way "
               "forward and for the gradient on its way back. Dotted: the ends of the formats that are within reach. "
               "The loss is not scaled, as it would be in mixed precision. "
               + " ".join(f"{form.label}: {form.source}." for form in precision.FORMATS))


TABS: Mapping[str, Callable[[TheoryView], None]] = MappingProxyType({
    "What it means": _meaning,
    "Signal and gradient": _signal_and_gradient, "Variance map": _variance_map, "Two inputs": _two_inputs,
    "Dead neurons": _dead_neurons, "Depth × width": _depth_and_width, "Singular values": _singular_values,
    "Number formats": _number_formats, "Coordinate check": lambda view: width.show(view.settings)})
WITHOUT_LAYERS = ("Depth × width", "Coordinate check")  # do not speak of this network's own depth


def show_tabs(view: TheoryView) -> None:
    """The tab that is open; the others compute nothing."""
    app.expect_choice("show", "Show", list(TABS))
    for tab, (name, fill) in zip(st.tabs(list(TABS), key="show", on_change="rerun", bind="query-params"),
                                 TABS.items(), strict=True):
        if tab.open:
            with tab:
                if view.settings.depth < 2 and name not in WITHOUT_LAYERS:
                    _info(ONE_LAYER)
                else:
                    fill(view)
