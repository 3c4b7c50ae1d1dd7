import math
import time
from dataclasses import replace

import numpy as np
import pytest

from initviz import Network
from initviz.app.affordable import race_terms
from initviz.app.settings import Settings
from initviz.training.gradient_descent import OPTIMIZERS, History, Race
from initviz.training.race import films, outcomes
from initviz.training.race.live import MORE_SEEDS, LiveRace

SMALL = replace(Settings(), input="moons", depth=3, width=16, batch=64, steps=20)


def finished(settings):
    run = LiveRace(race_terms(settings))
    while not run.finished:
        run.advance(time.monotonic() + 0.05)
    return run


def test_histories_stand_in_the_order_of_the_contenders():
    run = finished(replace(SMALL, init=("zeros", "he_normal", "constant")))
    assert run.histories[0].loss[-1] == pytest.approx(math.log(2), abs=1e-6)
    assert run.histories[0].symmetry_gap[0].max() == 0
    assert run.histories[1].symmetry_gap[0][0] > 0
    assert run.histories[2].symmetry_gap[0][0] == 0


def test_a_stopped_race_keeps_what_it_has_and_goes_on():
    run = LiveRace(race_terms(replace(SMALL, steps=2000)))
    run.advance(time.monotonic())
    run.stop()
    assert "Stopped" in run.status
    assert 0 < run.progress < 1
    run.resume()
    assert not run.stopped


def test_contenders_are_compared_at_a_step_that_all_have_reached():
    run = LiveRace(race_terms(replace(SMALL, steps=2000, init=("he_normal", "xavier_normal", "zeros"))))
    ahead = run._phase.races[0]
    ahead.advance(300)
    run.advance(time.monotonic())
    raw = [history.steps[-1] for history in run._seeds[0] if history.steps]
    assert max(raw) >= 240 > min(raw)
    for histories in (run.histories, [first for first, *_ in run.all_histories]):
        assert {history.steps[-1] for history in histories} == {min(raw)}
        assert {len(history.loss) for history in histories} == {len(histories[0].steps)}
        assert all(len(history.seen_loss) <= min(raw) for history in histories)


def test_stacked_races_keep_to_the_workspaces_of_their_sizes(monkeypatch):
    run = LiveRace(race_terms(replace(SMALL, init=("he_normal", "xavier_normal", "zeros"))))
    large, small = run._phase.races
    large.advance(3)  # so that the first worker would take the other, which is behind
    used = {id(large): set(), id(small): set()}
    advance = Race.advance

    def noted(race, steps=None, workspace=None):
        used[id(race)].add(id(workspace))
        return advance(race, steps, workspace)

    monkeypatch.setattr(Race, "advance", noted)
    for _ in range(5):
        run.advance(time.monotonic())
    assert [len(spaces) for spaces in used.values()] == [1, 1]
    assert used[id(large)] != used[id(small)]


def test_each_start_gets_a_rate_of_its_own_where_asked():
    run = finished(replace(SMALL, tuned="best", init=("he_normal", "xavier_normal", "zeros")))
    assert set(run.rates) <= set(OPTIMIZERS["sgd"].rates)
    assert all(history.steps[-1] == SMALL.steps for history in run.histories if history.diverged_at is None)


def test_a_repeat_adds_seeds_and_keeps_the_first():
    run = finished(replace(SMALL, init=("he_normal",)))
    first = run.histories[0].loss
    run.repeat()
    assert not run.finished
    while not run.finished:
        run.advance(time.monotonic() + 0.05)
    (seeds,) = run.all_histories
    assert len(seeds) == 1 + MORE_SEEDS
    assert seeds[0].loss == first
    assert len({tuple(seed.loss) for seed in seeds}) == len(seeds)
    row = outcomes.table(["He"], run.rates, run.all_histories, math.log(2), 10).iloc[0]
    assert " to " in row["Last loss"]


@pytest.mark.parametrize("settings", [SMALL, replace(SMALL, input="spiral"), replace(SMALL, input="digits", batch=32)])
def test_films_hold_frames_within_their_codes_and_no_parameters_are_kept(settings):
    run = finished(settings)
    for network, film, history in zip(run.terms.networks, run.films, run.histories, strict=True):
        assert {0, settings.steps} <= set(film)
        assert history.snapshots == {}
        cells = np.stack(list(film.values()))
        assert np.abs(cells).max() <= 100
        if network.sizes[0] == 2:
            assert cells.min() >= 0
            assert (cells // 10).max() < network.sizes[-1]


def test_a_boundary_is_the_networks_own_decision():
    network = Network((2, 16, 16, 3), "tanh", "he_normal")
    weights, biases = network.parameters()
    cells = films.boundary(network, (weights, biases))
    line = (np.arange(films.GRID) + 0.5) / films.GRID * 2 * films.REACH - films.REACH
    x, y = np.meshgrid(line, line[::-1])
    h = np.stack([x.ravel(), y.ravel()], axis=1)
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = np.tanh(h @ w + b)
    decided = (h @ weights[-1] + biases[-1]).argmax(axis=1).reshape(films.GRID, films.GRID)
    assert len(np.unique(decided)) == 3
    assert (cells // 10 == decided).mean() > 0.99


def test_outcomes_are_told_apart():
    def history(*loss, diverged=None):
        return History(steps=list(range(len(loss))), loss=list(loss), diverged_at=diverged)
    chance = math.log(10)
    assert outcomes.outcome(history(chance, 0.1), chance, 1) == "learned"
    assert outcomes.outcome(history(chance, chance), chance, 1) == "did not learn"
    assert outcomes.outcome(history(chance, 0.8 * chance), chance, 1) == "still learning"
    assert outcomes.outcome(history(chance, 2 * chance), chance, 1) == "got worse"
    assert outcomes.outcome(history(chance, diverged=3), chance, 1) == "diverged at step 3"
    assert outcomes.outcome(history(diverged=0), chance, 1) == "diverged at step 0"
