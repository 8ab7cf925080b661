"""What is decoded, and which trials are not: words of sources, missing values, rules, rare classes."""

from dataclasses import replace

import numpy as np
import pytest

from spikeglot.data.session import Trace
from spikeglot.errors import DataError, SettingsError
from spikeglot.evaluation.decoding.targets import Target, find_target
from spikeglot.evaluation.decoding.trials import keep_frequent_classes, keep_query, keep_reactions

N = 12


@pytest.fixture
def counts_with(factories):
    """Counts of twelve trials with the given columns in their table."""

    def make(**columns):
        counts = factories.make_counts(n_trials=N)
        return replace(counts, trials=counts.trials.assign(**columns))

    return make


def target_of(*labels: object) -> Target:
    return Target(np.array(labels, object), np.full(len(labels), "", object))


def test_a_column_is_a_class(counts_with):
    found = find_target("choice", counts_with(choice=[1, -1] * 6), {})
    assert not found.is_trace
    assert found.values.tolist() == ["1", "-1"] * 6
    assert found.used.all()


@pytest.mark.parametrize("name", ["feedback_type", "feedbackType", "feedback"])
def test_feedback_goes_by_several_names(counts_with, name):
    assert find_target("feedback", counts_with(**{name: [1, -1] * 6}), {}).values.tolist() == ["1", "-1"] * 6


def test_a_block_is_how_probable_the_left_is(counts_with):
    assert find_target("block", counts_with(probabilityLeft=[0.2, 0.5, 0.8] * 4), {}).values[:3].tolist() == [
        "0.2",
        "0.5",
        "0.8",
    ]


def test_the_side_of_the_stimulus(counts_with):
    found = find_target(
        "stimulus-side", counts_with(contrast_left=[0.5, 0, 0.5] * 4, contrast_right=[0, 1, 0.5] * 4), {}
    )
    assert found.values[:2].tolist() == ["left", "right"]
    assert found.used.tolist() == [True, True, False] * 4
    assert found.left_out[2] == "stimulus-side is missing"


def test_the_side_of_the_stimulus_in_ibl_tables(counts_with):
    nan = np.nan
    found = find_target(
        "stimulus-side", counts_with(contrastLeft=[0.5, nan, 0, nan] * 3, contrastRight=[nan, 1, nan, nan] * 3), {}
    )
    assert found.values[:3].tolist() == ["left", "right", "left"]
    assert found.used.tolist() == [True, True, True, False] * 3


def test_a_missing_label_is_left_out(counts_with):
    found = find_target("choice", counts_with(choice=[1.0, np.nan, -1.0] * 4), {})
    assert found.used.tolist() == [True, False, True] * 4
    assert set(found.left_out[~found.used]) == {"choice is missing"}


def test_a_quantity_is_no_class(counts_with):
    with pytest.raises(DataError, match="'coherence' of session 'a' has 13 different values: a quantity, not classes"):
        find_target("coherence", _longer(counts_with(), 13, coherence=np.arange(13) / 13), {})


def _longer(counts, n_trials, **columns):
    longer = counts.take_trials(np.arange(n_trials) % counts.n_trials)
    return replace(longer, trials=longer.trials.assign(**columns))


def test_a_misspelt_target_gets_a_suggestion(counts_with):
    with pytest.raises(DataError, match=r"has no 'choise' to decode\. Did you mean 'choice'"):
        find_target("choise", counts_with(choice=1), {})
    with pytest.raises(DataError, match="Did you mean 'wheel_velocity'"):
        find_target("wheel_velocty", counts_with(), {"wheel_velocity": Trace(np.arange(3.0), np.arange(3.0))})


def test_a_word_without_its_columns_says_which(counts_with):
    with pytest.raises(DataError, match=r"no column for 'stimulus-side' \(contrast_left with contrast_right or"):
        find_target("stimulus-side", counts_with(), {})


def test_a_trace_with_a_hole_loses_those_trials(counts_with):
    times_s = np.arange(0, 2 * N, 0.01)
    values = np.sin(times_s)
    values[(times_s > 4.05) & (times_s < 4.15)] = np.nan
    found = find_target("speed", counts_with(), {"speed": Trace(times_s, values)})
    assert found.is_trace
    assert found.values.shape == (N, 10, 1)
    assert np.flatnonzero(~found.used).tolist() == [2]
    assert found.left_out[2] == "speed is missing in a part of the window"


def test_accumulated_events(counts_with):
    clicks = {"clicks": Trace(np.array([0.05, 0.15, 2.05]), np.array([1.0, 1.0, 0.0]))}
    found = find_target("accumulated:clicks", counts_with(), clicks)
    assert found.values[0, :, 0].tolist() == [0, 0, 1, 1, 1, 1, 1, 2, 2, 2]
    assert found.values[1, -1, 0] == -1
    with pytest.raises(DataError, match="Cannot decode 'accumulated:clicks' of session 'a'"):
        find_target("accumulated:clicks", counts_with(), {"clicks": Trace(np.arange(3.0), np.arange(3.0))})


def test_a_query_leaves_trials_out(counts_with):
    counts = counts_with(choice=[1, -1] * 6, source=["movement", "outcome", "movement"] * 4)
    found = keep_query(find_target("choice", counts, {}), counts, "source == 'movement'")
    assert found.used.sum() == 8
    assert found.left_out[1] == "does not satisfy trials = \"source == 'movement'\""
    with pytest.raises(SettingsError, match="trials = 'sauce == 1' cannot be used on session 'a'"):
        keep_query(found, counts, "sauce == 1")


def test_the_reaction_rule(counts_with):
    shown_s = np.arange(N, dtype=float)
    reaction_s = np.full(N, 0.5)
    reaction_s[:4] = [0.079, 2.01, np.nan, 0.081]
    counts = counts_with(choice=1, stimOn_times=shown_s, firstMovement_times=shown_s + reaction_s)
    counts.trials.loc[5, "choice"] = None
    found = keep_reactions(target_of(*["x"] * N), counts)
    assert np.flatnonzero(~found.used).tolist() == [0, 1, 2, 5]
    assert found.left_out[0] == "reaction time outside 0.08-2 s"
    assert found.left_out[2] == found.left_out[5] == "an event is missing"
    with pytest.raises(DataError, match="give no reaction time"):
        keep_reactions(target_of(*["x"] * N), counts_with())


def test_a_class_with_one_member_is_left_out():
    found = keep_frequent_classes(target_of("a", "a", "b", "b", "c", "a", "c"), np.arange(5))
    assert found.used.tolist() == [True, True, True, True, False, True, False]
    assert found.left_out[4] == "class 'c' has 1 trials to fit on, fewer than 2"


def test_the_first_reason_stays():
    target = target_of("a", "b").without(np.array([True, False]), "first").without(np.array([True, True]), "second")
    assert target.left_out.tolist() == ["first", "second"]
