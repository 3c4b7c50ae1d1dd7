"""The lesson as a worksheet to print: questions with room for predictions, and a second page with computed answers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from initviz.app.lesson import small_network as small
from initviz.app.lesson.computed import StepOutcome
from initviz.app.lesson.steps import STEPS
from initviz.charts import network_diagram
from initviz.charts.picture import save

STYLE = """
body { font: 8.4pt/1.15 Arial, "Liberation Sans", Helvetica, sans-serif; color: #111; background: #fff;
  max-width: 19cm; margin: 1cm auto; padding: 0 .5cm; }
h1 { font-size: 14pt; margin: 0 0 .1cm; } h2 { font-size: 9.6pt; margin: .12cm 0 .03cm; }
p { margin: .04cm 0; } ul { list-style: none; padding: 0; margin: .04cm 0; }
.choices li { display: inline-block; margin-right: .6cm; } .line { border-bottom: 1px solid #777; height: .5cm; }
.step { break-inside: avoid; overflow: hidden; } .answers { break-before: page; }
figure { float: right; width: 5.6cm; margin: 0 0 0 .5cm; }
svg { width: 100%; height: auto; } .small { font-size: 7.4pt; color: #444; }
@page { size: A4; margin: .8cm 1.1cm; } @media print { body { margin: 0; padding: 0; max-width: none; } }
"""


def _plain(text: str) -> str:
    """Text for HTML, without Markdown's marks."""
    return escape(text.replace("**", ""))


def _drawing(*, backward: bool) -> str:
    weights = small.EQUAL
    return save(network_diagram.picture(), network_diagram.data(
        small.matrices(weights), small.X, small.TARGETS, small.computed(weights), groups=small.copies(weights),
        backward=backward), height=network_diagram.HEIGHT, width=560).decode()


def _question(place: int, key: str) -> str:
    step = STEPS[key]
    boxes = "".join(f"<li>☐ {_plain(answer.label)}</li>" for answer in step.answers)
    drawing = f"<figure>{_drawing(backward=False)}</figure>" if key == "hand" else ""
    return (f'<section class="step">{drawing}<h2>{place}. {_plain(step.title)}</h2><p>{_plain(step.task)}</p>'
            f"<p><b>{_plain(step.question)}</b></p><ul class=\"choices\">{boxes}</ul><div "
            "class=\"line\">Because</div></section>")


def _answer(place: int, key: str, outcome: StepOutcome) -> str:
    step = STEPS[key]
    right = step.right(outcome)
    drawing = (f"<figure>{_drawing(backward=True)}<figcaption class=\"small\">Weights, and under each d, its gradient."
               "</figcaption></figure>" if key == "hand" else "")
    against = "".join(f"<li>Not “{_plain(answer.label)}”: {_plain(answer.reason)}</li>" for answer in step.answers
                      if answer is not right)
    return (f'<section class="step">{drawing}<h2>{place}. {_plain(step.title)}: {_plain(right.label)}</h2>'
            f'<p>{_plain(outcome.summary)}</p><ul class="small">{against}</ul></section>')


def html(outcomes: Mapping[str, StepOutcome], seed: int) -> str:
    """The worksheet as one HTML file that needs nothing else; ``outcomes`` are those of every step, by key."""
    places = list(enumerate(STEPS, 1))
    return ('<!doctype html><html lang="en"><meta charset="utf-8">'
            f"<title>Weight initialization: a worksheet</title><style>{STYLE}</style><body>"
            '<h1>Weight initialization: predict, then compute</h1><p class="small">Name ____________________ &nbsp; '
            "Date ____________ &nbsp; Mark an answer and say why before you open the lesson.</p>"
            + "".join(_question(place, key) for place, key in places)
            + f'<div class="answers"><h1>What was computed</h1><p class="small">Computed with seed {seed} by initviz; '
              "another seed gives other numbers.</p>"
            + "".join(_answer(place, key, outcomes[key]) for place, key in places) + "</div></body></html>\n")
