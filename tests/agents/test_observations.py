"""Spaces: gymnasium's own flatten is the oracle, one observation at a time."""

import json
import pickle
from inspect import signature

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    MultiBinary,
    MultiDiscrete,
    OneOf,
    Sequence,
    Text,
    Tuple,
    flatdim,
    flatten,
)
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import assert_same
from scripted import MODES, agent_for, sync

from npppo.agents.observations import Observations
from npppo.agents.rollout import Player
from npppo.agents.spaces import Spaces, difference

# Spaces that Hypothesis makes


def shapes(least=0):
    return st.lists(st.integers(1, 3), min_size=least, max_size=3).map(tuple)


@st.composite
def boxes(draw):
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64, np.uint8, np.int8, np.int64]))
    if np.issubdtype(dtype, np.floating):
        bound = draw(st.sampled_from([1.0, 100.0, np.inf]))
        return Box(-bound, bound, draw(shapes()), dtype)
    info = np.iinfo(dtype)
    low = draw(st.integers(max(info.min, -(2**40)), info.max - 1))
    high = draw(st.integers(low, min(info.max, 2**40) if low < 2**40 else info.max))
    return Box(low, high, draw(shapes()), dtype)


def discrete(n, start, dtype):
    """gymnasium 1.1 knows int64 alone."""
    known = "dtype" in signature(Discrete).parameters
    return Discrete(n, start=start, **({"dtype": dtype} if known else {}))


def discretes():
    dtypes = st.sampled_from([np.int64, np.int32, np.int8])
    return st.builds(discrete, st.integers(1, 5), st.integers(-9, 9), dtypes)


@st.composite
def multi_discretes(draw):
    shape = draw(shapes(least=1))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtype = draw(st.sampled_from([np.int64, np.int32, np.int8]))
    start = rng.integers(-5, 6, size=shape)
    return MultiDiscrete(rng.integers(1, 5, size=shape), dtype=dtype, start=start)


simple = st.one_of(
    boxes(), discretes(), multi_discretes(), shapes(least=1).map(lambda shape: MultiBinary(shape))
)
spaces = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(Tuple),
        st.dictionaries(st.sampled_from("abcde"), inner, min_size=1, max_size=3).map(Dict),
    ),
    max_leaves=5,
)


def scaled(space, row):
    """What is done beyond gymnasium: whole numbers between bounds, by these, one by one."""
    if isinstance(space, (Dict, Tuple)):
        parts = space.spaces.values() if isinstance(space, Dict) else space.spaces
        cuts = np.cumsum([flatdim(part) for part in parts])[:-1]
        pieces = np.split(row, cuts)
        return [x for part, piece in zip(parts, pieces, strict=True) for x in scaled(part, piece)]
    if isinstance(space, Box) and space.dtype.kind in "iu" and space.high.max() != 2**63 - 1:
        bounds = zip(row.tolist(), space.low.flat, space.high.flat, strict=True)
        return [(int(x) - int(low)) / max(int(high) - int(low), 1) for x, low, high in bounds]
    return list(row)


def exact(space, observation):
    """gymnasium's flatten, whose common dtype of whole and other numbers may lose some digits."""
    if isinstance(space, Dict):
        return np.concatenate([exact(s, observation[key]) for key, s in space.spaces.items()])
    if isinstance(space, Tuple):
        return np.concatenate(
            [exact(s, part) for s, part in zip(space.spaces, observation, strict=True)]
        )
    return np.asarray(flatten(space, observation), object)


@settings(max_examples=80, deadline=None)
@given(spaces, st.integers(1, 4), st.integers(0, 99))
def test_encoding_is_gymnasiums_flatten_row_by_row(space, E, seed):
    observations = Observations(space)
    space.seed(seed)
    single = [space.sample() for _ in range(E)]
    batch = concatenate(space, single, create_empty_array(space, E))
    encoded = observations.encode(batch)
    assert encoded.shape == (E, observations.size) == (E, flatdim(space))
    for e, observation in enumerate(single):
        expected = np.array(scaled(space, exact(space, observation)), np.float64)
        np.testing.assert_allclose(encoded[e], expected, rtol=2e-16, atol=2e-16)
        assert_same(observations.encode(observation, alone=True)[0], encoded[e])
        assert observations.is_alone(observation)
        if not any(part.scale for part in observations.parts) and encoded.dtype != object:
            flat = np.asarray(flatten(space, observation))
            assert_same(encoded[e].astype(flat.dtype), flat)
    assert not observations.is_alone(batch)


@settings(max_examples=40, deadline=None)
@given(spaces, spaces)
def test_descriptions_tell_spaces_apart(one, other):
    """As JSON has them; gymnasium says whether two spaces are the same."""
    saved, own = (
        json.loads(json.dumps(Spaces(space, Discrete(2)).describe())) for space in (one, other)
    )
    assert not difference(saved, saved)
    assert not difference(saved, Spaces(pickle.loads(pickle.dumps(one)), Discrete(2)).describe())
    if not difference(saved, own):
        # gymnasium's == also knows the dtype of categories, which changes no number
        assert_same(
            Observations(one).encode(batch_of(one, 3)), Observations(other).encode(batch_of(one, 3))
        )
    else:
        assert one != other


def batch_of(space, E, seed=0):
    batched = batch_space(space, E)
    batched.seed(seed)
    return batched.sample()


NESTED = Dict(  # from a dict, so in the order of its keys
    {
        "image": Box(0, 255, (2, 3), np.uint8),
        "state": Tuple([Box(-1, 1, (2,)), Discrete(3, start=4), MultiBinary(2)]),
        "goal": MultiDiscrete([2, 3]),
    }
)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            Dict(a=Tuple([Discrete(3)])),
            "parts ['goal', 'image', 'state'], but this one has ['a']",
        ),
        (
            Dict({**NESTED.spaces, "goal": MultiDiscrete([2, 4])}),
            "[goal] n [2, 3], but this one has [2, 4]",
        ),
        (
            Dict({**NESTED.spaces, "state": Tuple([*NESTED["state"].spaces[:2], MultiBinary(3)])}),
            "[state] [2] shape [2], but this one has [3]",
        ),
    ],
)
def test_the_part_that_differs_is_named(other, said):
    saved, own = (Spaces(space, Discrete(2)).describe() for space in (NESTED, other))
    assert difference(saved, own) == f"an environment whose observation space has {said}"


# What is not supported


@pytest.mark.parametrize(
    ("inner", "name"),
    [
        (Text(5), "Text"),
        (Sequence(Discrete(2)), "Sequence"),
        (Graph(Box(0, 1, (2,)), None), "Graph"),
        (OneOf([Discrete(2), Discrete(3)]), "OneOf"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_an_unsupported_part_is_named_with_its_path(inner, name):
    with pytest.raises(ValueError, match=rf"the observation space is {name}.*expected Box"):
        Observations(inner)
    space = Dict(goal=Discrete(2), camera=Tuple([Box(0, 1, (2,)), inner]))
    with pytest.raises(ValueError, match=rf"^observation\['camera'\]\[1\] is {name}.*expected Box"):
        Observations(space)


@pytest.mark.parametrize("space", [Box(0, 1, (0,)), Dict(), Box(0, 1, (2, 0))], ids=str)
def test_a_space_without_a_number_is_refused(space):
    with pytest.raises(ValueError, match="expected at least one number"):
        Observations(space)


# What is not in the space


def changed(change):
    batch = batch_of(NESTED, 3)
    batch["state"] = list(batch["state"])
    change(batch)
    return batch


def put(array, place, value):
    array[place] = value


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda b: put(b["state"][1], 2, 7),
            r"observation\['state'\]\[1\] of environment 2 is 7, expected one of Discrete\(3, sta",
        ),
        (lambda b: put(b["state"][1], 1, 3), r"\['state'\]\[1\] of environment 1 is 3"),
        (
            lambda b: put(b["goal"], (1, 1), 3),
            r"\['goal'\] of environment 1 is \[\d, 3\], expected one of MultiDiscrete",
        ),
        (lambda b: put(b["goal"], (0, 0), -1), r"\['goal'\] of environment 0 is \[-1, \d\]"),
        (
            lambda b: put(b["state"][2], (2, 0), 2),
            r"\['state'\]\[2\] of environment 2 is \[2, \d\], expected one of MultiBinary",
        ),
        (lambda b: put(b, "goal", b["goal"] + 0.5), r"\['goal'\] of environment 0 is \[\d.5, \d.5"),
        (
            lambda b: put(b["state"], 0, np.zeros((3, 3))),
            r"observations\['state'\]\[0\] have shape \(3, 3\), expected \(N, 2\)",
        ),
        (lambda b: put(b["state"], 0, np.zeros((2, 2))), r"parts hold \[3, 3, 2, 3, 3\]"),
        (lambda b: b.pop("goal"), r"the observation is .* keys 'goal', 'image', 'state'"),
        (lambda b: put(b, "more", 1), r"the observation is .* keys 'goal', 'image', 'state'"),
        (lambda b: b["state"].pop(), r"observation\['state'\] is .* expected a tuple of 3"),
        (lambda b: put(b, "state", {0: 1}), r"\['state'\] is \{0: 1\}, expected a tuple of 3"),
    ],
)
def test_what_is_not_in_the_space_is_named_with_its_path(change, said):
    observations = Observations(NESTED)
    assert observations.encode(changed(lambda batch: None)).shape == (3, 5 + 6 + 2 + 3 + 2)
    with pytest.raises(ValueError, match=said):
        observations.encode(changed(change))


def test_no_category_wraps_around():
    """An unsigned number below the first category is none from the end."""
    observations = Observations(Discrete(3, start=2))
    for dtype in (np.uint8, np.int64, np.uint64):
        assert_same(observations.encode(np.array([2, 4], dtype)), np.eye(3)[[0, 2]])
        with pytest.raises(ValueError, match=r"of environment 1 is 1, expected one of Discrete"):
            observations.encode(np.array([2, 1], dtype))


@pytest.mark.parametrize("value", [None, 2**64, "a"], ids=str)
def test_what_is_no_number_is_no_category(value):
    with pytest.raises(ValueError, match=rf"of environment 0 is {value}, expected one of Discrete"):
        Observations(Discrete(3)).encode(value, alone=True)


def test_an_image_is_a_picture_of_whole_numbers():
    assert Observations(NESTED).image() == "observation['image'] is Box(0, 255, (2, 3), uint8)"
    for space in (Box(0, 1, (2, 3)), Box(0, 255, (6,), np.uint8), Discrete(3)):
        assert Observations(space).image() is None


def test_the_numbers_are_those_of_boxes():
    expected = [False] * 5 + [True] * 6 + [True] * 2 + [False] * 5
    assert Observations(NESTED).numbers().tolist() == expected


# Playing in such an environment


class Nested(gymnasium.Env):
    """Shows samples of its space, and takes only what is in its action space."""

    def __init__(self, observation=NESTED, action=None):
        self.observation_space, self.action_space = observation, action or Discrete(3)

    def _sample(self):
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        return self.observation_space.sample()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        over = bool(self.np_random.random() < 0.3)
        return self._sample(), float(self.np_random.normal()), over, False, {}


SPACES = {
    "nested": NESTED,
    "tuple": Tuple([Discrete(2), Box(-1, 1, (2,))]),
    "image": Box(0, 255, (3, 2, 1), np.uint8),
    "multi discrete": MultiDiscrete([[2, 3], [4, 2]], start=[[1, 0], [-2, 5]]),
    "bits": MultiBinary((2, 2)),
    "unbounded": Box(-np.inf, np.inf, (2, 2)),
}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_batch_holds_what_was_shown(mode, space):
    """Final observations included, each flattened by gymnasium, from a wrapper that writes down."""
    shown = []

    class Watched(Nested):
        def _sample(self):
            sample = super()._sample()
            row = scaled(self.observation_space, exact(self.observation_space, sample))
            shown.append(np.array(row, np.float64))
            return sample

    player = Player(sync(lambda: Watched(SPACES[space]), mode, num_envs=1))
    player.reset(0)
    agent = agent_for(player)
    batch = player.play(agent, 40, np.random.default_rng(0))
    seen = [batch.observations[0, 0]]
    for t in range(40):
        seen.append(batch.next_observations[t, 0])
        if mode.name == "SAME_STEP" and batch.terminated[t, 0]:
            following = player._observations if t == 39 else batch.observations[t + 1]
            seen.append(following[0])
    assert_same(np.array(seen), np.array(shown))
    assert batch.terminated.sum() > 5


ACTIONS = [
    discrete(3, -1, np.int32),
    MultiDiscrete([[2, 3], [4, 2]], dtype=np.int32, start=[[1, 0], [-2, 5]]),
    MultiDiscrete([2, 200], dtype=np.uint8, start=[3, 50]),
    MultiBinary((2, 3)),
    Box(-1, 1, (2, 3), np.float32),
    Box(-2, 2, (), np.float64),
    Box(np.array([-np.inf, 0]), np.array([0, np.inf]), (2,), np.float64),
]


# what gymnasium says of a MultiDiscrete of two axes, and of a number in place of an array ()
@pytest.mark.filterwarnings("ignore:.*length of a multi-dim", "ignore:.*Casting input x")
@pytest.mark.parametrize("space", ACTIONS, ids=str)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_actions_are_in_their_space(mode, space):
    """`Nested` refuses others. gymnasium's batch of a Discrete is in its own dtype."""
    env = sync(lambda: Nested(SPACES["tuple"], space), mode)
    step, dtypes = env.step, set()
    env.step = lambda actions: dtypes.add(actions.dtype) or step(actions)
    player = Player(env)
    player.reset(0)
    agent = agent_for(player)
    played = [player.play(agent, 60, np.random.default_rng(0)) for _ in range(2)]
    assert dtypes == {space.dtype}
    player.in_place = False  # in compact form the actions lead to the same place
    assert player.catch_up() == []
    drawn = np.concatenate([batch.actions.reshape(120, -1) for batch in played])
    if not isinstance(space, Box):
        count = (
            2 if isinstance(space, MultiBinary) else getattr(space, "nvec", getattr(space, "n", 0))
        )
        counts = np.broadcast_to(np.ravel(count), drawn.shape[1:])
        small = counts < 5
        assert (drawn.min(axis=0) == 0)[small].all()
        assert (drawn.max(axis=0) == counts - 1)[small].all()


def test_a_batch_of_samples_is_what_iterates():
    """The oracle above makes its batches as gymnasium's vector environments do."""
    batch = batch_of(NESTED, 3)
    rows = Observations(NESTED).encode(batch)
    single = list(iterate(batch_space(NESTED, 3), batch))
    assert_same(
        rows, np.concatenate([Observations(NESTED).encode(one, alone=True) for one in single])
    )
