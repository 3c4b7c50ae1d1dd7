"""What differs from layer to layer: gains, biases and the output layer's initializer, asked for in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from initviz.app.controls import expect_choice
from initviz.core.initializers import INITIALIZERS
from initviz.core.network import Bias, Gain, Network, read_numbers, with_output_bias

AS_OTHERS = "as_others"
OUTPUT_LABELS = {AS_OTHERS: "As the other layers", **{key: entry.label for key, entry in INITIALIZERS.items()}}


@dataclass(frozen=True)
class SingleLayers:
    """Gains and biases of each layer, None for those of the whole network, and what the output layer has of its own."""

    gains: Gain | None = None
    biases: Gain | None = None
    output_initializer: str | None = None
    output_bias: Gain | None = None

    def apply(self, network: Network) -> Network:
        """The network with these; ValueError where their number is not that of its layers or outputs."""
        bias: Bias = network.bias if self.biases is None else self.biases
        if self.output_bias is not None:
            bias = with_output_bias(bias, self.output_bias, network.depth)
        output = self.output_initializer
        params = INITIALIZERS[output].following(dict(network.activation_params)) if output else ()
        return replace(network, gain=network.gain if self.gains is None else self.gains, bias=bias,
                       output_initializer=output, output_initializer_params=params)


def ask_single_layers() -> SingleLayers:
    """The values that the controls hold; raises ValueError for a text that cannot be read."""
    with st.expander("Single layers", icon=":material/layers:"), st.container(
            horizontal=True, vertical_alignment="bottom"):
        gains = st.text_input("Gain of each layer", key="gains", bind="query-params", width=200,
                              placeholder="1.414, 1.414, 0.01",
                              help="One number for each weight layer, with commas between them, in place of the "
                                   "sidebar's gain. A policy's last layer is often drawn 100 times smaller.")
        biases = st.text_input("Bias of each layer", key="biases", bind="query-params", width=200,
                               placeholder="0, 0, 0.1",
                               help="One number for each weight layer, in place of the sidebar's bias.")
        expect_choice("output_init", "Output layer", OUTPUT_LABELS)
        output = st.selectbox("Output layer", list(OUTPUT_LABELS), format_func=OUTPUT_LABELS.__getitem__,
                              key="output_init", bind="query-params", width=230,
                              help="The initializer of the last layer, with its usual parameters.")
        output_bias = st.text_input("Output biases", key="output_bias", bind="query-params", width=200,
                                    placeholder="-0.1, -2.3",
                                    help="One number, or one for each output, such as the logarithms of the "
                                         "classes' shares.")
    return SingleLayers(_numbers("gain of each layer", gains), _numbers("bias of each layer", biases),
                        None if output not in INITIALIZERS else output, _numbers("output biases", output_bias))


def _numbers(field: str, text: str | None) -> Gain | None:
    return read_numbers(field, text) if text and text.strip() else None
