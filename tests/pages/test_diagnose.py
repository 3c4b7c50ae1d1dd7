"""The page Diagnose: every initialization and framework, thresholds, and one sentence for what does not fit."""

import ast
import io
import itertools
import json

import numpy as np
import pytest
import safetensors.numpy
from pages.test_pages import charts, elements, press, sound, visit, words

from initviz.app.diagnose.request import FRAMEWORK_DEFAULTS, plain
from initviz.core.initializers import INITIALIZERS
from initviz.diagnosis.exports import to_json
from initviz.diagnosis.thresholds import THRESHOLDS
from initviz.files import weights as checkpoints

DIAGNOSE = "pages/diagnose.py"
SMALL = {"architecture": "64-16-16-10", "batch": 32}


@pytest.mark.parametrize("key", INITIALIZERS)
def test_every_start_gets_a_report(key):
    label = INITIALIZERS[key].label + (f" ({FRAMEWORK_DEFAULTS[key]})" if key in FRAMEWORK_DEFAULTS else "")
    at = visit(DIAGNOSE, **SMALL, initializer=label)
    assert at.selectbox(key="initializer").value == key
    assert not at.error
    assert len(charts(at)) == 2
    layers, comparison = (table.value for table in at.dataframe)
    assert len(layers) == 3
    assert comparison["Initialization"][0] == "As it is"


def test_zeros_are_an_error_and_he_is_not():
    assert ":red-badge[error]" in words(visit(DIAGNOSE, **SMALL, initializer="Zeros"))
    assert ":red-badge[error]" not in words(visit(DIAGNOSE, **SMALL, initializer="He normal", activation="ReLU"))


@pytest.mark.parametrize("query", [
    {"architecture": "64-10"}, {"architecture": "5-1", "data": "Standard normal"}, {"activation": "Leaky ReLU"},
    {"architecture": "64 16, 16; 10"}, {"gain": 0}, {"gain": 4, "activation": "linear", "initializer": "Ones"},
    {"bias": 1}, {"architecture": "784-32-32-10", "data": "Standard normal"},
    {"data": "zzz", "initializer": "zzz", "code_for": "zzz"},
    {"code_of": "zzz", "line_mostly": "nan", "line_loss": "inf"}], ids=str)
def test_the_ends_of_what_can_be_asked_are_drawn(query):
    at = visit(DIAGNOSE, **SMALL | query)
    assert not at.error
    assert len(charts(at)) == 2


@pytest.mark.parametrize(("architecture", "sentence"), [
    ("", "Sizes must be 2 to 1001 whole numbers"), ("784", "Sizes must be 2 to 1001 whole numbers"),
    ("64--10", "Sizes must be 2 to 1001"), ("64-x-10", "Sizes must be 2 to 1001"),
    ("64-<b>bold</b>-10", "bold"), ("64-0-10", "Sizes must be an integer between 1"),
    ("64-1000000-10", "billion operations"), ("-".join(["64"] * 2000), "Sizes must be 2 to 1001"),
    ("784-16-10", "Sizes must begin with 64"), ("64-16-3", "Sizes must end with 10")])
def test_a_bad_architecture_gets_one_sentence_and_the_controls_stay(architecture, sentence):
    at = visit(DIAGNOSE, **SMALL | {"architecture": architecture})
    assert len(at.error) == 1
    assert sentence in at.error[0].value
    assert "<b>" not in at.error[0].value
    assert not charts(at)
    sound(at.text_input(key="architecture").set_value("64-8-10").run())
    assert not at.error
    assert len(charts(at)) == 2


def test_sizes_that_fit_the_data_are_offered():
    at = press(visit(DIAGNOSE, **SMALL | {"architecture": "784-16-16-3"}), "fit")
    assert at.session_state["architecture"] == "64-16-16-10"
    assert len(charts(at)) == 2


def test_data_that_fit_the_sizes_are_offered():
    at = press(visit(DIAGNOSE, **SMALL | {"architecture": "784-16-16-3"}), "use_normal")
    assert at.session_state["data"] == "normal"
    assert not at.error
    assert at.session_state["diagnosis"].value[1].run.network.sizes == (784, 16, 16, 3)


def test_beside_the_pictures_stands_why_a_scale_is_kept_or_lost():
    said = words(visit(DIAGNOSE, **SMALL))
    assert "(as it is): the weighted sum multiplies the mean square by" in said


def test_the_table_has_one_column_for_different_neurons_and_shares_in_per_cent():
    frame = visit(DIAGNOSE, **SMALL, activation="ReLU").dataframe[0].value
    assert frame["Different neurons"].tolist() == ["16 of 16", "16 of 16", "10 of 10"]
    assert "Different" not in frame
    assert frame["Signal"].max() == 100


def test_nothing_is_called_healthy_of_which_a_rule_warns():
    at = visit(DIAGNOSE, architecture="64-16-10", initializer="Normal", std=2, activation="ReLU", batch=32)
    assert "**The signal explodes**" in words(at)
    assert "Healthy" not in words(at)


def test_a_threshold_can_be_moved():
    at = visit(DIAGNOSE, **SMALL, initializer="He normal", activation="ReLU")
    assert "The signal" not in words(at)
    sound(at.number_input(key="line_shrunk").set_value(1.0).run())
    sound(at.number_input(key="line_grown").set_value(1.0).run())
    assert "**The signal" in words(at)
    assert {f"line_{key}" for key in THRESHOLDS} <= {box.key for box in at.number_input}


@pytest.mark.parametrize("framework", ["NumPy", "PyTorch", "Keras", "JAX"])
@pytest.mark.parametrize("which", ["Recommended", "As chosen"])
def test_the_code_is_a_whole_script_for_this_architecture(framework, which):
    at = visit(DIAGNOSE, **SMALL, code_for=framework, code_of=which, initializer="Sparse", activation="ReLU")
    source = at.code[0].value
    ast.parse(source)
    assert "SIZES = (64, 16, 16, 10)" in source
    assert ("Sparse" in source) == (which == "As chosen")


def test_the_report_can_be_taken_away():
    at = visit(DIAGNOSE, **SMALL)
    held = at.session_state["diagnosis"].value[1]
    assert json.loads(to_json(held))["network"] == "64-16-16-10"
    keys = {button.key for button in at.get("download_button")}
    assert {"report_html", "report_json", "weights_lsuv", "weights_rescaled", "weights_recommended"} <= keys


@pytest.mark.parametrize("text", ["<b>x</b>", "**x** [a](javascript:1) :red[x] $x$ `x`", "a\nb  \nc", "# x"])
def test_text_from_a_file_is_never_markup(text):
    shown = plain(text)
    assert "\n" not in shown
    for sign in "*[]:$`<>#":
        assert shown.count(sign) == shown.count("\\" + sign)


# ---------------------------------------------------------------------------------------------- own files

def state_dict(sizes, gain=1.0, transposed=True):
    """A PyTorch (out, in) or Keras (in, out) state dict as an .npz, ReLU's He weights times a gain."""
    rng, arrays = np.random.default_rng(0), {}
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        w = (gain * np.sqrt(2 / fan_in) * rng.standard_normal((fan_in, fan_out))).astype(np.float32)
        arrays |= {f"net.{layer}.weight": w.T if transposed else w, f"net.{layer}.bias": np.zeros(fan_out, np.float32)}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def table_of(rows=60, scale=1.0):
    rng = np.random.default_rng(1)
    lines = ["first,second,third,kind"] + [
        f"{scale * rng.normal():.4f},{rng.normal():.4f},{rng.normal():.4f},{row % 3}" for row in range(rows)]
    return "\n".join(lines).encode()


def upload(at, key, name, data):
    return sound(at.file_uploader(key=key).upload(name, data).run())


def chooser(at, label):
    """The choice of columns of that label."""
    return next(box for box in at.multiselect if box.label == label)


@pytest.mark.parametrize("transposed", [True, False])
def test_own_weights_are_examined_and_bring_their_sizes(transposed):
    at = upload(visit(DIAGNOSE, activation="ReLU", architecture="nonsense"), "weights_file", "net.npz",
                state_dict((64, 24, 16, 10), gain=1e-3, transposed=transposed))
    assert not at.error
    assert "64-24-16-10" in at.selectbox(key="layout").options[0]
    assert at.dataframe[0].value["Weights"].tolist() == [f"net.{layer}.weight" for layer in range(3)]
    assert at.dataframe[1].value["Array"].tolist() == [f"net.{layer}.weight" for layer in range(3)]
    assert len(charts(at)) == 2
    report = at.session_state["diagnosis"].value[1]
    assert report.run.network.sizes == (64, 24, 16, 10)
    assert report.run.column("weight_std")[0] == pytest.approx(1e-3 * (2 / 64) ** 0.5, rel=0.1)


def test_repaired_weights_go_back_into_the_names_and_shapes_that_came():
    at = upload(visit(DIAGNOSE, activation="ReLU"), "weights_file", "net.npz", state_dict((64, 24, 16, 10), gain=9.0))
    report = at.session_state["diagnosis"].value[1]
    checkpoint = at.session_state["weights read"][1]
    lsuv = next(remedy.initialization for remedy, _ in report.remedies if remedy.key == "lsuv")
    held = np.load(io.BytesIO(checkpoint.write(lsuv.weights, lsuv.biases, checkpoint.readings("torch")[0])))
    assert held["net.1.weight"].shape == (16, 24)
    np.testing.assert_array_equal(held["net.1.weight"].T, lsuv.weights[1])


def test_a_csv_is_sent_through_and_its_scale_is_seen():
    at = visit(DIAGNOSE, architecture="3-16-16-3", data="Your CSV", batch=48, activation="ReLU")
    assert "Choose a CSV file" in at.info[0].value
    at = upload(at, "data_file", "mine.csv", table_of(scale=1e4))
    assert not at.error
    assert chooser(at, "Target").value == ["kind"]
    assert "Unscaled inputs" not in words(at)
    sound(at.toggle(key="standardize").set_value(False).run())
    assert "Unscaled inputs" in words(at)
    assert "Standardized inputs" in at.dataframe[1].value["Initialization"].tolist()


def test_sizes_adapt_to_a_csv_and_it_is_said():
    at = upload(visit(DIAGNOSE, data="Your CSV", batch=48), "data_file", "mine.csv", table_of())
    assert not at.error
    assert any("3\\-128\\-" in info.value and info.value.endswith("is examined\\.") for info in at.info)
    assert len(charts(at)) == 2


@pytest.mark.parametrize(("key", "name", "data"), [
    ("weights_file", "empty.npz", b""), ("weights_file", "text.npz", b"hello"),
    ("weights_file", "cut.safetensors", b"\xff" * 20), ("data_file", "words.csv", b"a,b\nc,d\ne,f\n"),
    ("data_file", "empty.csv", b"")])
def test_a_bad_file_gets_one_sentence_and_the_controls_stay(key, name, data):
    at = upload(visit(DIAGNOSE, data="Your CSV" if key == "data_file" else "Digits"), key, name, data)
    assert len(at.error) == 1
    assert at.error[0].value.endswith(".")
    assert at.text_input(key="architecture")
    assert len(charts(at)) == (2 if key == "weights_file" else 0)  # the typed architecture is examined instead


def test_a_bad_weights_file_leaves_the_csv_where_it_is():
    at = visit(DIAGNOSE, architecture="3-16-16-3", data="Your CSV", batch=48)
    upload(at, "data_file", "mine.csv", table_of())
    upload(at, "weights_file", "bad.npz", b"hello")
    assert len(at.error) == 1
    assert chooser(at, "Target").value == ["kind"]
    assert at.session_state["diagnosis"].value[1].initialization.batch.name == "mine.csv"
    assert len(charts(at)) == 2


def test_what_cannot_be_read_is_refused_once(monkeypatch):
    read, tried = checkpoints.read, []
    monkeypatch.setattr(checkpoints, "read", lambda *given: (tried.append(given), read(*given))[1])
    at = upload(visit(DIAGNOSE), "weights_file", "bad.npz", b"hello")
    for _ in range(3):
        sound(at.run())
    assert len(tried) == 1
    assert "no .npz file" in at.error[0].value.replace("\\", "")


def test_standard_normals_go_through_own_weights_that_the_digits_do_not_fit():
    at = upload(visit(DIAGNOSE, batch=32), "weights_file", "net.npz", state_dict((784, 24, 16, 1)))
    assert not at.error
    said = at.info[0].value.replace("\\", "")
    assert said.startswith("net.npz has 784 inputs and 1 output, and Digits 64 and 10: standard normal data go")
    assert at.session_state["diagnosis"].value[1].run.network.sizes == (784, 24, 16, 1)


def square(save):
    """A state dict whose middle layers fit in either order."""
    rng = np.random.default_rng(0)
    layers = {"fc1": (64, 16), "fc2": (16, 16), "bottleneck": (16, 16), "out": (16, 10)}
    return save({f"{name}.weight": rng.standard_normal((fan_out, fan_in)).astype(np.float32)
                 for name, (fan_in, fan_out) in layers.items()})


def test_the_order_of_an_npz_is_taken_and_may_be_changed():
    def save(arrays):
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    at = upload(visit(DIAGNOSE, batch=32), "weights_file", "net.npz", square(save))
    assert at.dataframe[0].value["Weights"].tolist() == [
        "fc1.weight", "fc2.weight", "bottleneck.weight", "out.weight"]
    order = next(box for box in at.selectbox if box.label == "Order of its layers")
    assert order.options[0] == "2 fc2.weight, 3 bottleneck.weight"
    sound(order.select_index(1).run())
    assert at.dataframe[0].value["Weights"].tolist()[1] == "bottleneck.weight"


def test_an_order_that_nothing_settles_is_chosen_by_the_person_before_there_is_a_report():
    at = upload(visit(DIAGNOSE, batch=32), "weights_file", "net.safetensors", square(safetensors.numpy.save))
    assert "Names and shapes fit 2 orders" in at.info[0].value
    assert not charts(at)
    sound(next(box for box in at.selectbox if box.label == "Order of its layers").select_index(1).run())
    assert len(charts(at)) == 2
    file = at.session_state["diagnosis"].value[1].initialization.file
    assert [names[0] for names in file["arrays"]] == ["fc1.weight", "fc2.weight", "bottleneck.weight", "out.weight"]


def test_the_target_can_be_said_to_be_numbers():
    at = upload(visit(DIAGNOSE, architecture="3-16-1", data="Your CSV", batch=48), "data_file", "mine.csv", table_of())
    assert "The target 'kind' is read as 3 classes" in words(at).replace("\\", "")
    sound(next(group for group in at.button_group if group.key == "target_kind").set_value("numbers").run())
    assert "The target 'kind' is read as numbers" in words(at).replace("\\", "")
    assert not at.error
    assert at.session_state["diagnosis"].value[1].initialization.data["target_kind"] == "numbers"


def test_several_columns_are_predicted_and_inputs_are_chosen():
    at = upload(visit(DIAGNOSE, architecture="3-16-1", data="Your CSV", batch=48), "data_file", "mine.csv", table_of())
    sound(chooser(at, "Target").set_value(["first", "second"]).run())
    assert "The targets 'first', 'second' are read as numbers" in words(at).replace("\\", "")
    initialization = at.session_state["diagnosis"].value[1].initialization
    assert initialization.network.sizes == (2, 16, 2)
    sound(chooser(at, "Inputs").set_value(["third"]).run())
    initialization = at.session_state["diagnosis"].value[1].initialization
    assert initialization.network.sizes == (1, 16, 2)
    assert (initialization.data["target"], initialization.data["inputs"]) == ("first, second", ("third",))
    sound(chooser(at, "Inputs").set_value(["first"]).run())
    assert [error.value for error in at.error] == ["Inputs must not name the target, got 'first'."]
    sound(chooser(at, "Target").set_value([]).run())
    assert "Choose what is to be predicted" in at.info[0].value


def test_another_table_has_its_own_target():
    at = upload(visit(DIAGNOSE, data="Your CSV", batch=48), "data_file", "mine.csv", table_of())
    upload(at, "data_file", "other.csv", table_of().replace(b"kind", b"label"))
    assert chooser(at, "Target").value == ["label"]
    assert not at.error


@pytest.mark.parametrize("kind", ["Plain", "Residual"])
def test_the_answer_stands_before_the_controls_with_what_it_is_about(kind):
    at = visit(DIAGNOSE, **SMALL | {"kind": kind, "architecture": "64-16-16-10"})
    order = [(element.type, element.key or getattr(element, "value", "")) for element in elements(at)]
    controls = order.index(("text_input", "architecture"))
    answer = next(place for place, (what, _) in enumerate(order) if what in ("success", "warning", "error"))
    about = next(place for place, (what, said) in enumerate(order) if what == "caption" and "64\\-16\\-16\\-10" in said)
    assert about < answer < controls


def test_an_upload_survives_a_visit_to_another_page():
    at = upload(visit(DIAGNOSE, data="Your CSV", batch=48), "data_file", "mine.csv", table_of())
    assert len(charts(at)) == 2
    at.switch_page("pages/formulas.py").run()
    at.switch_page("pages/diagnose.py").run()
    assert not at.exception
    assert at.button(key="data_file_forget").label == "Forget mine\\.csv"
    assert len(charts(at)) == 2
    at.button(key="data_file_forget").click().run()
    assert not charts(at)


def test_one_sigmoid_output_and_single_layers_can_be_said():
    at = visit(DIAGNOSE, architecture="5-16-16-1", data="Standard normal", loss="Sigmoid and binary cross-entropy",
               gains="1.4,1.4,0.01", output_init="LeCun normal", output_bias="-0.5", batch=32)
    assert not at.error
    report = at.session_state["diagnosis"].value[1]
    assert report.initialization.batch.loss == "bce"
    assert report.run.network.gain == (1.4, 1.4, 0.01)
    assert report.run.network.bias == (0, 0, -0.5)
    assert report.run.network.output_initializer == "lecun_normal"


def test_a_table_of_two_classes_has_one_output_under_a_sigmoid():
    rng = np.random.default_rng(0)
    rows = "".join(f"{a:.3f},{b:.3f},{int(a > b)}\n" for a, b in rng.standard_normal((60, 2)))
    at = upload(visit(DIAGNOSE, data="Your CSV", batch=32, loss="Sigmoid and binary cross-entropy"), "data_file",
                "mine.csv", f"a,b,y\n{rows}".encode())
    assert not at.error
    assert at.session_state["diagnosis"].value[1].run.network.sizes[-1] == 1


@pytest.mark.parametrize("field", ["gains", "biases", "output_bias"])
def test_numbers_that_are_none_get_one_sentence(field):
    at = visit(DIAGNOSE, **SMALL | {field: "1, <b>x</b>"})
    assert len(at.error) == 1
    assert "must be a number, or several with commas between them" in at.error[0].value


def test_a_link_of_before_opens_the_same_initialization_and_the_same_code():
    at = visit(DIAGNOSE, **SMALL, start="He normal", code_start="As chosen")
    assert at.selectbox(key="initializer").value == "he_normal"
    assert at.segmented_control(key="code_of").value == "As chosen"
    assert not at.toast
    assert "start" not in at.query_params
    bad = visit(DIAGNOSE, **SMALL, start="zzz")
    assert "Initialization was not one of the choices" in bad.toast[0].value
