"""What should happen in a wide network, before anything is computed, and what does."""

from dataclasses import replace

import numpy as np
import streamlit as st

from initviz import app
from initviz.app.sharing import described
from initviz.app.theory import blocks, quantities
from initviz.app.theory import panels as theory
from initviz.app.theory import sentences as say
from initviz.charts import phase
from initviz.charts.picture import SavedPicture
from initviz.diagnosis.verdict import against_theory
from initviz.theory.trajectory import field_of

app.require_entrance()
chosen = app.current_settings()

st.header("What should happen?", anchor=False)
st.markdown("Two numbers say what a wide network does before a weight is drawn: how spread its weights are, σ_w, and "
            "its biases, σ_b. Deep networks train near the line between gradients that shrink and gradients that grow.")

settings = replace(chosen, kind="plain")
with st.container():
    app.refuse_the_unaffordable(chosen)
    if chosen.kind != "plain":
        blocks.show(chosen)
        st.subheader("The same layers without skip and normalization", anchor=False)
point = st.container()
network = settings.network_at_point()
field, most = field_of(network), theory.PLANE
batch = app.cached_batch(settings.input, settings.batch, settings.seed, network.sizes[0])
mean_square = round(float(np.square(batch.x).mean()), 3)
fixed_point = theory.cached_fixed_point(field, settings.sigma_w, settings.sigma_b, mean_square)
run = app.cached_runs((network,), settings.input, settings.batch, "linear", "activation", False, 1)[0]
prediction = app.cached_prediction(run, settings.input)
diagram = theory.cached_diagram(field, most, mean_square)
with point:
    theory.choose_point(settings, diagram.classic)
plane = phase.data(diagram.chi, *most, diagram.critical, quantities.points(settings),
                   (settings.sigma_w, settings.sigma_b))

left, right = st.columns([3, 2])
with left:
    st.markdown("**Phase diagram**: click to choose σ_w and σ_b")
    app.show(phase.picture(*most), plane, key="phase", on_select=theory.go_to_clicked_point, selection_mode="spot")
    st.markdown(":small[**Line**: gradients keep their size. **Pale**: they last for many layers. **Points**: the "
                "chosen initializers. **Cross**: the network drawn here.]")
    st.caption(say.left_out(settings, *most))
with right:
    st.markdown(f"**At the cross** the network is {say.phase(fixed_point, prediction)}.")
    reach = theory.gradient_reach(run, theory.cached_reach(field, settings.sigma_w, settings.sigma_b, mean_square))
    beside = st.container(horizontal=True)
    with beside.popover("Symbols, formulas", icon=":material/functions:"):
        st.markdown(say.DIAGRAM)
        st.markdown(say.FORMULAS)
        st.markdown("  \n".join(f"${symbol}$ = **{value}**  \n:small[:gray[{meaning}]]"
                                for symbol, value, meaning in say.point(fixed_point)))
        st.markdown(f"Theory: {against_theory(run, prediction)}. A network trains to a depth of about 6 ξ_c "
                    "(Schoenholz et al. 2017, of one setting).")
    with beside:
        app.offer_pictures(described(settings, "theory"), [
            SavedPicture(phase.picture(*most), plane, "Phase diagram", height=phase.HEIGHT), reach])

theory.show_tabs(theory.TheoryView(settings, network, mean_square, run, prediction, fixed_point))
