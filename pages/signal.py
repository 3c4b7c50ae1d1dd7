"""Watch a signal go through a network and the gradient come back."""

import streamlit as st

from initviz import app
from initviz.app import blocks, sharing
from initviz.app.signal import block_words
from initviz.app.signal import panels as signal
from initviz.app.signal import sentences as say
from initviz.charts import depth, distributions
from initviz.charts.picture import SavedPicture
from initviz.core.initializers import label_of
from initviz.core.simulation import BlockRun, histogram_table, layer_table
from initviz.diagnosis import scale_reasons
from initviz.diagnosis.block_report import beside_theory
from initviz.diagnosis.verdict import against_theory, judge

app.require_entrance()
settings = app.current_settings()

st.header("Do the neurons stay different?", anchor=False)
st.markdown(f"{say.question(settings)} New here? [A lesson](lesson).")
signal.presets(settings)

with st.container():
    app.refuse_the_unaffordable(settings)
    if not settings.init:
        st.info("Choose at least one initializer in the sidebar, or a classic case above.", icon=":material/tune:")
        app.stop()
    if shallow := blocks.too_shallow(settings):
        st.info(shallow, icon=":material/tune:")
        app.stop()

# What arrives together is painted together; theory's word, which takes longer, follows the first picture.
runs = app.compare(settings, correlations=settings.layer > 0)
of_blocks = [run for run in runs if isinstance(run, BlockRun)]
one_sample = signal.shows_one_sample(settings)
verdicts = [judge(run) for run in runs]
shapes = distributions.data(runs, settings.quantity, [signal.head(verdict) for verdict in verdicts],
                            one_sample=one_sample)

with st.container(horizontal=True, gap="small"):
    app.show(distributions.picture(), shapes, height=distributions.height(settings.depth), key="distributions",
             on_select=signal.look_into_clicked_layer, selection_mode="cell")
    with st.container(width=signal.PANEL_WIDTH, gap="small"):
        signal.sample_panel(settings)
        with st.popover("Verdicts", icon=":material/rule:", width="stretch", help="The numbers behind each verdict."):
            verdicts_place = st.container()
        with st.popover("Thresholds", icon=":material/straighten:", width="stretch",
                        help="Where a verdict's lines are drawn, and who draws them there."):
            signal.threshold_table()
signal.scrubber(settings)
with st.container(horizontal=True):
    for key in ("quantity", "scale", "scrub"):
        app.control(key)
st.caption(f"{say.how_to_read(settings.quantity, one_sample, settings.sample)} A click on a layer opens its neurons.")
if of_blocks:
    st.caption(" ".join(filter(None, [block_words.rows_are(of_blocks[0].network), settings.unfit_scheme,
                                      block_words.copies(of_blocks)])))

app.control("spread")
if of_blocks:
    predictions = app.cached_block_predictions(of_blocks, settings.input)
    theories = [beside_theory(run, theory) for run, theory in zip(of_blocks, predictions, strict=True)]
else:
    predictions = [app.cached_prediction(run, settings.input) for run in runs]
    theories = [against_theory(run, prediction) for run, prediction in zip(runs, predictions, strict=True)]
with verdicts_place:
    signal.verdict_table([label_of(run.network.initializer) for run in runs], verdicts, theories)
if settings.depth < 2:
    st.info("A network of one layer has no hidden layer to follow: choose a depth of at least 2.",
            icon=":material/tune:")
else:
    scales = [depth.data(runs, predictions, quantity, settings.spread) for quantity in ("activation", "delta")]
    left, right = st.columns(2)
    with left:
        st.markdown(f"**Forward →** {say.spread_title(settings.spread, 'activation', 'activations')}")
        app.show(depth.forward_picture(), scales[0], key="forward")
        if of_blocks:
            st.markdown(say.forward(runs, settings.spread))
        else:
            app.say_reasons(scale_reasons.forward(runs))
    with right:
        st.markdown(f"**← Backward** {say.spread_title(settings.spread, 'delta', block_words.gradients(runs[0]))}")
        app.show(depth.backward_picture(), scales[1], key="backward")
        if of_blocks:
            st.markdown(say.backward(runs, settings.spread))
        else:
            app.say_reasons(scale_reasons.backward(runs))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(say.lines(settings.spread, theory_has_band=not of_blocks), width="content")
        app.more(f"{say.theory(runs, theories)} {say.band(theory_has_band=not of_blocks)}"
                 + (" :small[Yang and Schoenholz 2017; Yang et al. 2019; De and Smith 2020; Xiong et al. 2020.]"
                    if of_blocks else ""), "Theory beside it")
    if of_blocks:
        signal.blocks_panel(of_blocks, settings.input)

layer = app.layer_control("layer", settings.depth)
if layer:
    signal.layer_dialog(settings, layer)

with st.container(horizontal=True):
    app.download("Numbers (CSV)", "initviz-layers.csv",
                 lambda: layer_table(app.compare(settings, correlations=True)).to_csv(index=False), "text/csv",
                 key="numbers", help="Every statistic: one row per initializer and layer.")
    app.download("Histograms (CSV)", "initviz-histograms.csv",
                 lambda: histogram_table(runs, settings.quantity).to_csv(index=False), "text/csv",
                 key="histograms", help="The counted bins over all samples.")
    app.offer_pictures(sharing.described(settings, "signal"), [SavedPicture(
        distributions.picture(), shapes, say.picture_title(settings, one_sample),
        height=distributions.height(settings.depth))])
