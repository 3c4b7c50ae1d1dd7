"""The address, which holds all settings: what it allows, what it says, and what had to be changed in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from initviz.app.settings import CONTROLS, MOST_INITIALIZERS, Settings
from initviz.core.validation import Choices, Interval, Parameter

# Names in addresses of before, and what they are now.
RENAMED = {"start": "initializer", "code_start": "code_of", "moment": "after_steps"}


def _nearest_number(control: Parameter, allowed: Interval | Choices, value: Any) -> tuple[Any, str]:
    try:
        value = float(value)
    except (TypeError, ValueError):
        value = math.nan
    if math.isnan(value):
        return control.default, f"{control.label} was not a number, so it is {control.default:g}."
    nearest = allowed.nearest(value)
    if nearest not in allowed:  # infinite, where no end is set
        return control.default, f"{control.label} must be {allowed}, so it is {control.default:g}."
    return nearest, "" if nearest == value else f"{control.label} must be {allowed}, so it is {nearest:g}."


def _nearest_choice(control: Parameter, labels: Mapping[str, str], value: Any) -> tuple[str, str]:
    keys = {label: key for key, label in labels.items()} | {key: key for key in labels}
    if isinstance(value, str) and value in keys:
        return keys[value], ""
    return control.default, f"{control.label} was not one of the choices, so it is {labels[control.default]}."


def _nearest_choices(control: Parameter, labels: Mapping[str, str], value: Any) -> tuple[tuple[str, ...], str]:
    keys = {label: key for key, label in labels.items()} | {key: key for key in labels}
    named = list(dict.fromkeys(item for item in value if isinstance(item, str) and item))
    known = tuple(dict.fromkeys(keys[item] for item in named if item in keys))
    if named and not known:
        return control.default, f"{control.label}: none of those asked for is known, so the first visit's are shown."
    if len(known) > MOST_INITIALIZERS:
        return known[:MOST_INITIALIZERS], f"{control.label}: the first {MOST_INITIALIZERS} are shown; more do not fit."
    return known, f"{control.label}: what is not known is left out." if any(item not in keys for item in named) else ""


def nearest(spec: Parameter, value: Any) -> tuple[Any, str]:
    """The allowed value nearest to what was given, and a sentence where it had to be changed, else "".

    A number out of range becomes the nearest allowed one, anything that cannot be read the default. Choices may be
    given by key or by label.
    """
    if isinstance(spec.allowed, Interval | Choices):
        return _nearest_number(spec, spec.allowed, value)
    if spec.many:
        return _nearest_choices(spec, spec.allowed, value if isinstance(value, Sequence) else ())
    return _nearest_choice(spec, spec.allowed, value)


def nearest_allowed(key: str, value: Any) -> tuple[Any, str]:
    """``nearest`` for the control ``key``."""
    return nearest(CONTROLS[key], value)


def nearest_to_texts(spec: Parameter, texts: Sequence[str]) -> tuple[Any, str]:
    """``nearest`` for the texts that an address gives; of several the last counts where one value is taken."""
    return nearest(spec, list(texts) if spec.many else texts[-1] if texts else "")


def read_settings(values: Mapping[str, Any]) -> Settings:
    """Valid settings from the values given for controls; missing ones take their defaults."""
    settings = Settings(**{key: nearest_allowed(key, values[key])[0] for key in CONTROLS if key in values})
    return replace(settings, layer=min(settings.layer, settings.depth), sample=min(settings.sample, settings.batch))


def texts_of(spec: Parameter, value: Any) -> list[str]:
    """The texts by which an address names a value: a number's digits, a choice's label."""
    if isinstance(spec.allowed, Interval | Choices):
        return [f"{value:.12g}"]
    return [spec.allowed[choice] for choice in value] or [""] if spec.many else [spec.allowed[value]]


def write_address(key: str, value: Any) -> list[str]:
    """The texts by which an address names a control's value."""
    return texts_of(CONTROLS[key], value)


def read_address(query: Mapping[str, Sequence[str]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Allowed values for the controls that an address names, and a sentence for each that had to be changed.

    Names that are not controls are left to others; of a repeated name that takes one value the last counts.
    """
    values, notices = {}, {}
    for key, control in CONTROLS.items():
        if key in query:
            values[key], notice = nearest_to_texts(control, query[key])
            if notice:
                notices[key] = notice
    depth = values.get("depth", CONTROLS["depth"].default)
    if values.get("layer", 0) > depth:
        values["layer"] = depth
        notices["layer"] = f"{CONTROLS['layer'].label}: the network has no more than {depth}, so it is {depth}."
    return values, notices


def notice_of(sentences: Sequence[str]) -> str:
    """One notice of all that was changed in an address."""
    if len(sentences) == 1:
        return sentences[0]
    return f"{len(sentences)} settings in this address were not allowed and were changed.\n\n" + "\n\n".join(sentences)
