"""Where a number becomes a finding, and how severe: exactly at the thresholds, which are those of their sources."""

import math

import pytest

from initviz.diagnosis.rules.grades import gradient_is_error, share_severity, signal_is_error, within
from initviz.diagnosis.rules.scale import TARGET_UPDATE
from initviz.diagnosis.thresholds import DEFAULTS


def test_the_thresholds_are_those_of_their_sources():
    autotrainer = {"lost": 1e-3, "faint": 1e-4, "burst": 70}  # beta_1, beta_2, beta_3 of Zhang et al. 2021
    sagemaker = {"mostly": 0.5}  # DeadRelu and SaturatedActivation
    conventions = {"shrunk": 0.1, "grown": 10, "nearly_all": 0.9}
    assert autotrainer | sagemaker | conventions == {
        key: DEFAULTS[key] for key in ("lost", "faint", "burst", "mostly", "shrunk", "grown", "nearly_all")}
    assert TARGET_UPDATE == 1e-3  # CS231n and makemore part 3


@pytest.mark.parametrize(("of_norms", "first_norm", "change", "error"), [
    (9e-4, 9e-5, 0.5, True), (2e-3, 9e-5, 0.5, False), (9e-4, 2e-4, 0.5, False), (9e-4, 9e-5, 2, False),
    (71, 1, 2, True), (69, 1, 2, False), (71, 1, 0.5, False), (math.inf, 1, 2, False)])
def test_a_gradient_that_vanishes_must_be_faint_and_one_that_explodes_finite_to_be_an_error(
        of_norms, first_norm, change, error):
    assert gradient_is_error(change, of_norms, first_norm, DEFAULTS) == error


@pytest.mark.parametrize(("change", "inside", "error"), [
    (1, True, False), (0.1, True, False), (0.09, False, False), (9e-4, False, True), (10, True, False),
    (11, False, False), (70, False, False), (71, False, True)])
def test_a_signal_has_a_finding_outside_the_thresholds_and_an_error_outside_the_wider_ones(change, inside, error):
    assert within(change, DEFAULTS) == inside
    assert signal_is_error(change, DEFAULTS) == error


@pytest.mark.parametrize(("share", "severity"), [
    (0.5, "note"), (0.51, "warning"), (0.9, "warning"), (0.91, "error")])
def test_a_dead_or_saturated_share_is_a_warning_above_a_half_and_an_error_above_nine_tenths(share, severity):
    assert share_severity(share, DEFAULTS) == severity
