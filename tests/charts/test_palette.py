"""Colors as people see them: to eyes that lack a kind of cone, and on both themes.

Sources: Machado, Oliveira and Fernandes 2009 (matrices at full severity); Sharma, Wu and Dalal 2005 (CIEDE2000);
WCAG 2.2 (contrast).
"""

import itertools
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

from initviz.app.settings import DEFAULTS
from initviz.charts.picture import ORDERED, UNORDERED, color_of, marker_of, rgb
from initviz.core.initializers import INITIALIZERS

EYES = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]}
THEMES = {name: theme["backgroundColor"] for name, theme in tomllib.loads(
    (Path(__file__).parents[2] / ".streamlit/config.toml").read_text())["theme"].items() if isinstance(theme, dict)}


def linear(color):
    """Linear red, green and blue of a color such as #0072B2, or of its three parts from 0 to 255."""
    values = np.array(rgb(color) if isinstance(color, str) else color) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def luminance(color):
    return float(linear(color) @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(color, eyes):
    """CIE L*a*b* of a color as those eyes see it."""
    seen = np.clip(np.array(EYES[eyes]) @ linear(color), 0, 1)
    xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                    [0.0193339, 0.1191920, 0.9503041]]) @ seen / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def difference(one, other, eyes):
    """CIEDE2000."""
    (l1, a1, b1), (l2, a2, b2) = lab(one, eyes), lab(other, eyes)
    mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean**7 / (mean**7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = math.degrees(math.atan2(b1, a1)) % 360, math.degrees(math.atan2(b2, a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue = ((h1 + h2 + (360 if abs(h1 - h2) > 180 else 0)) / 2) % 360
    dl, dc, dh = l2 - l1, c2 - c1, 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    light, c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (1 - 0.17 * math.cos(math.radians(hue - 30)) + 0.24 * math.cos(math.radians(2 * hue))
         + 0.32 * math.cos(math.radians(3 * hue + 6)) - 0.2 * math.cos(math.radians(4 * hue - 63)))
    sl, sc, sh = 1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2), 1 + 0.045 * c, 1 + 0.015 * c * t
    rotation = -2 * math.sqrt(c**7 / (c**7 + 25**7)) * math.sin(math.radians(60 * math.exp(-((hue - 275) / 25) ** 2)))
    return math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rotation * dc / sc * dh / sh)


def test_the_difference_is_that_of_the_published_examples():
    assert difference("#FF0000", "#00FF00", "all cones") == pytest.approx(86.6, abs=0.1)
    assert difference("#123456", "#123456", "deuteranopia") == 0


@pytest.mark.parametrize("eyes", EYES)
def test_initializers_are_told_apart_by_color_or_by_the_shape_of_their_points(eyes):
    for one, other in itertools.combinations(INITIALIZERS, 2):
        least = 8 if marker_of(one) == marker_of(other) else 6
        assert difference(color_of(one), color_of(other), eyes) >= least, (one, other)


@pytest.mark.parametrize("eyes", EYES)
def test_the_first_visits_initializers_are_far_apart(eyes):
    for one, other in itertools.combinations(DEFAULTS["init"], 2):
        assert difference(color_of(one), color_of(other), eyes) >= 10, (one, other)


@pytest.mark.parametrize("eyes", EYES)
def test_other_colors_are_told_apart_and_are_no_initializers(eyes):
    for one, other in itertools.combinations(UNORDERED, 2):
        assert difference(one, other, eyes) >= 10, (one, other)
    for one, other in itertools.pairwise(ORDERED):
        assert difference(one, other, eyes) >= 12, (one, other)
    assert not {color.upper() for color in UNORDERED} & {color_of(key).upper() for key in INITIALIZERS}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_stand_out_from_the_page(theme):
    for color in (*map(color_of, INITIALIZERS), *UNORDERED, *ORDERED):
        assert contrast(color, THEMES[theme]) >= 3, color
