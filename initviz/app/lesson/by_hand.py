"""The small network on a page: its drawing, its weights to set, a step of gradient descent, the chain rule."""

from __future__ import annotations

import streamlit as st

from initviz import app
from initviz.app.lesson import small_network as small
from initviz.charts import network_diagram

WEIGHTS = "weights"  # in the address and in the session
EDGE, VALUE = "by_hand_edge", "by_hand_value"


def held_weights() -> small.Weights:
    """The weights as this session or its address has them; those of the first visit where neither has."""
    weights: small.Weights | None = st.session_state.get(WEIGHTS)
    text = st.query_params.get(WEIGHTS)
    if text is not None and (weights is None or small.write_weights(weights) != text):
        weights = small.read_weights(text)
        if weights is None:
            st.toast(f"The weights in the address were not {small.COUNT} numbers, so all of them are "
                     f"{small.EQUAL[0]:g}.", icon=":material/info:")
    weights = small.EQUAL if weights is None else weights
    hold(weights)
    return weights


def hold(weights: small.Weights) -> None:
    """Keep the weights in the session and, where they are not the first visit's, in the address."""
    st.session_state[WEIGHTS] = weights
    if weights == small.EQUAL:
        st.query_params.pop(WEIGHTS, None)
    else:
        st.query_params[WEIGHTS] = small.write_weights(weights)


def _nudge() -> None:
    weights = list(st.session_state[WEIGHTS])
    weights[st.session_state[EDGE]] = st.session_state[VALUE]
    hold(tuple(weights))


def draw(weights: small.Weights, *, backward: bool = True, chosen: int | None = None) -> None:
    """The drawing."""
    app.show(network_diagram.picture(), network_diagram.data(
        small.matrices(weights), small.X, small.TARGETS, small.computed(weights), groups=small.copies(weights),
        backward=backward, chosen=chosen), key="small_network")


def show(seed: int, *, brief: bool = False) -> None:
    """The drawing beside what can be done to it; where it is ``brief``, the chain rule is folded away."""
    weights = held_weights()
    left, right = st.columns([3, 2], gap="medium")
    with right:
        with st.container(horizontal=True):
            for key, label, values, help_text in (
                    ("equal", f"All {small.EQUAL[0]:g}", small.EQUAL, "Every weight the same, as on the first visit."),
                    ("zero", "All 0", small.ZERO, "Every weight 0."),
                    ("random", "Xavier", small.random_weights(seed), f"Drawn by Xavier's rule, seed {seed}.")):
                st.button(label, key=f"by_hand_{key}", on_click=hold, args=(values,), help=help_text)
        st.button("One step of gradient descent", key="by_hand_step", on_click=hold,
                  args=(small.stepped(weights),), icon=":material/skip_next:",
                  help=f"Every weight minus {small.RATE:g} times its gradient.")
        names = small.edge_names()
        edge = st.selectbox("Weight", range(small.COUNT), format_func=names.__getitem__, key=EDGE,
                            help="The weight that the slider moves and the chain below follows; shaded in the drawing.")
        st.session_state[VALUE] = min(max(weights[edge], -small.MOST_WEIGHT), small.MOST_WEIGHT)
        st.slider("Its value", -small.MOST_WEIGHT, small.MOST_WEIGHT, step=0.05, key=VALUE, on_change=_nudge,
                  help="Moves this one weight alone. The address keeps all nine, to six digits.")
        st.markdown(small.summary(weights))
    with left:
        draw(weights, chosen=edge)
    title = f"The chain rule for {names[edge]}"
    if not brief:
        st.markdown(f"**{title}**")
    with st.expander(title) if brief else st.container():
        st.markdown("\n".join(f"{place}. {line}" for place, line in enumerate(small.chain(weights, edge), 1)))
        st.caption("On an edge: the weight w, under it d, the derivative dL/dw of the loss. In a hidden neuron: its "
                   "value, tanh of its weighted inputs; under it δ, the derivative of the loss with respect to that "
                   "sum. Red weights are positive, blue negative. Hidden neurons of one color are copies. No biases; "
                   "the loss is (ŷ − target)².")
