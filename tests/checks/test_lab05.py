import numpy as np
import pytest
import scipy.linalg
import torch

from lab_utils.checks import lab05


def assert_rejected(result, word):
    assert result.status == "incorrect"
    assert word in result.hint + result.line, result.hint


def svd(matrix):
    return np.linalg.svd(matrix, compute_uv=False)


# ---- cca


def by_eigenvalues(acts_x, acts_y):
    x, y = acts_x - acts_x.mean(axis=0), acts_y - acts_y.mean(axis=0)

    def white(z):
        values, vectors = np.linalg.eigh(z.T @ z / z.std(axis=0).clip(1e-9) / z.std(axis=0).clip(1e-9)[:, None])
        kept = values > 1e-9 * values.max()
        return z / z.std(axis=0).clip(1e-9) @ (vectors[:, kept] / np.sqrt(values[kept]))

    return svd(white(x).T @ white(y))


def by_orth(acts_x, acts_y):
    x, y = (scipy.linalg.orth(z - z.mean(axis=0, keepdims=True), rcond=1e-8) for z in (acts_x, acts_y))
    return np.clip(svd(x.T @ y), 0, 1)


def by_angles(acts_x, acts_y):
    x, y = (scipy.linalg.orth(z - z.mean(axis=0), rcond=1e-8) for z in (acts_x, acts_y))
    return np.sort(np.cos(scipy.linalg.subspace_angles(x, y)))[::-1]


@pytest.mark.parametrize("student", [by_eigenvalues, by_orth, by_angles])
def test_other_right_ways_to_cca_pass(student, outcome_of):
    result = outcome_of(lab05.check_cca, student)
    assert result.status == "correct", result.hint


def basis(z):
    return scipy.linalg.orth(z, rcond=1e-8)


def centred(z):
    return z - z.mean(axis=0)


def transposed(x, y):
    return svd(basis(centred(x.T[:, : len(x)])).T @ basis(centred(y.T)))[:4] if x.shape == y.shape else np.ones(len(x))


def the_mean(x, y):
    return svd(basis(centred(x)).T @ basis(centred(y))).mean()


def not_centred(x, y):
    return svd(basis(x).T @ basis(y))


def one_mean_for_all(x, y):
    return svd(basis(x - x.mean()).T @ basis(y - y.mean()))


def squares(x, y):
    return svd(basis(centred(x)).T @ basis(centred(y))) ** 2


def smallest_first(x, y):
    return svd(basis(centred(x)).T @ basis(centred(y)))[::-1]


def cross_covariance(x, y):
    return svd(centred(x).T @ centred(y) / len(x))


def cross_correlation(x, y):
    x, y = centred(x), centred(y)
    return svd((x / x.std(axis=0)).T @ (y / y.std(axis=0)) / len(x))


def principal_directions_not_scaled(x, y):
    u, v = (z @ np.linalg.svd(z, full_matrices=False)[2].T for z in (centred(x), centred(y)))
    return svd(u.T @ v)


def by_qr(x, y):  # right until a neuron is dead
    return svd(np.linalg.qr(centred(x))[0].T @ np.linalg.qr(centred(y))[0])


def by_inverse(x, y):
    x, y = centred(x), centred(y)
    product = np.linalg.inv(x.T @ x) @ (x.T @ y) @ np.linalg.inv(y.T @ y) @ (y.T @ x)
    return np.sqrt(np.sort(np.linalg.eigvals(product).real)[::-1].clip(0))[: min(x.shape[1], y.shape[1])]


def absolute_threshold(x, y):
    def kept(z):
        u, s, _ = np.linalg.svd(centred(z), full_matrices=False)
        return u[:, s > 1]

    return svd(kept(x).T @ kept(y))


def as_many_as_the_first(x, y):
    values = svd(basis(centred(x)).T @ basis(centred(y)))
    return np.pad(values, (0, x.shape[1]))[: x.shape[1]]


def whole_matrix(x, y):
    return basis(centred(x)).T @ basis(centred(y))


def not_a_number(x, y):
    x, y = centred(x), centred(y)
    with np.errstate(all="ignore"):
        x, y = x / x.std(axis=0), y / y.std(axis=0)
    return np.full(4, np.nan) if np.isnan(x).any() else svd(basis(x).T @ basis(y))


WRONG_CCA = [
    (transposed, "transposed"),
    (the_mean, "one number"),
    (not_centred, "mean of each neuron"),
    (one_mean_for_all, "mean of each neuron"),
    (squares, "squares"),
    (smallest_first, "largest must come first"),
    (cross_covariance, "orthonormal"),
    (cross_correlation, "orthonormal"),
    (principal_directions_not_scaled, "orthonormal"),
    (by_qr, "practically no variance"),
    (by_inverse, "dead neuron"),
    (absolute_threshold, "scale"),
    (as_many_as_the_first, "the smaller number"),
    (whole_matrix, "one axis"),
    (not_a_number, "NaN"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_CCA)
def test_a_wrong_cca_gets_the_hint_that_fits(student, word, outcome_of):
    assert_rejected(outcome_of(lab05.check_cca, student), word)


# ---- null_similarity


def by_shuffle(measure, acts_x, acts_y, draws, seed):
    rng, values, y = np.random.default_rng(seed), [], acts_y.copy()
    for _ in range(draws):
        rng.shuffle(y)  # rows; each permutation on top of the one before
        values.append(measure(acts_x, y))
    return values


def permutes_the_first(measure, acts_x, acts_y, draws, seed):
    rng = np.random.default_rng(seed)
    return np.array([measure(rng.permutation(acts_x), acts_y) for _ in range(draws)])


@pytest.mark.parametrize("student", [by_shuffle, permutes_the_first])
def test_other_right_nulls_pass(student, outcome_of):
    result = outcome_of(lab05.check_null_similarity, student)
    assert result.status == "correct", result.hint


def drawer(change):
    """A null that measures change(x, y, rng)."""

    def null(measure, acts_x, acts_y, draws, seed):
        rng = np.random.default_rng(seed)
        return np.array([measure(*change(acts_x, acts_y, rng)) for _ in range(draws)])

    return null


def permutes_neurons(x, y, rng):
    return x, y[:, rng.permutation(y.shape[1])]


def permutes_both_alike(x, y, rng):
    order = rng.permutation(len(x))
    return x[order], y[order]


def permutes_each_neuron(x, y, rng):
    return x, rng.permuted(y, axis=0)


def with_replacement(x, y, rng):
    return x, y[rng.integers(len(y), size=len(y))]


def new_noise(x, y, rng):
    return x, rng.normal(size=y.shape)


def nothing(x, y, rng):
    rng.permutation(y)  # returns a copy
    return x, y


def half(x, y, rng):
    rows = np.arange(len(y))
    rows[: len(y) // 4] = rng.permutation(rows[: len(y) // 4])
    return x, y[rows]


def fewer_rows(x, y, rng):
    return x[:10], y[rng.permutation(len(y))[:10]]


def mean_of_draws(measure, acts_x, acts_y, draws, seed):
    return np.mean(by_shuffle(measure, acts_x, acts_y, draws, seed))


def new_generator_each_time(measure, acts_x, acts_y, draws, seed):
    return np.array(
        [measure(acts_x, acts_y[np.random.default_rng(seed).permutation(len(acts_y))]) for _ in range(draws)]
    )


def no_seed(measure, acts_x, acts_y, draws, seed):
    rng = np.random.default_rng()
    return np.array([measure(acts_x, acts_y[rng.permutation(len(acts_y))]) for _ in range(draws)])


def fixed_seed(measure, acts_x, acts_y, draws, seed):
    return by_shuffle(measure, acts_x, acts_y, draws, 0)


def minus_the_value(measure, acts_x, acts_y, draws, seed):
    return np.array(by_shuffle(measure, acts_x, acts_y, draws, seed)) - 0.5


def measured_once(measure, acts_x, acts_y, draws, seed):
    return np.full(draws, measure(acts_x, np.random.default_rng(seed).permutation(acts_y)))


def one_too_many(measure, acts_x, acts_y, draws, seed):
    return by_shuffle(measure, acts_x, acts_y, draws + 1, seed)


WRONG_NULLS = [
    (drawer(permutes_neurons), "columns, the neurons"),
    (drawer(permutes_both_alike), "permuted in the same way"),
    (drawer(permutes_each_neuron), "one permutation for all neurons"),
    (drawer(with_replacement), "exactly once"),
    (drawer(new_noise), "not in the layers"),
    (drawer(nothing), "still the same datapoint"),
    (drawer(half), "Permute all rows"),
    (drawer(fewer_rows), "shapes"),
    (mean_of_draws, "not their mean"),
    (new_generator_each_time, "once, before the loop"),
    (no_seed, "Twice the same seed"),
    (fixed_seed, "Is `seed` used"),
    (minus_the_value, "as they are"),
    (measured_once, "Measure anew"),
    (one_too_many, "7 values"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_NULLS)
def test_a_wrong_null_gets_the_hint_that_fits(student, word, outcome_of):
    assert_rejected(outcome_of(lab05.check_null_similarity, student), word)


# ---- conv_to_samples


def by_movedim(maps, stride=1):
    return maps[..., ::stride, ::stride].movedim(1, -1).flatten(0, -2)


def by_loops(maps, stride=1):
    b, _, h, w = maps.shape
    places = [(i, y, x) for i in range(b) for y in range(0, h, stride) for x in range(0, w, stride)]
    return torch.stack([maps[i, :, y, x] for i, y, x in places])


@pytest.mark.parametrize("student", [by_movedim, by_loops])
def test_other_right_foldings_pass(student, outcome_of):
    result = outcome_of(lab05.check_conv_to_samples, student)
    assert result.status == "correct", result.hint


def channels_as_datapoints(maps, stride=1):
    return by_movedim(maps, stride).T


def positions_as_neurons(maps, stride=1):
    return maps[..., ::stride, ::stride].flatten(1)


def pooled(maps, stride=1):
    return maps.mean(dim=(2, 3))


def only_reshaped(maps, stride=1):
    return maps[..., ::stride, ::stride].reshape(-1, maps.shape[1])


def batch_swapped(maps, stride=1):
    return maps[..., ::stride, ::stride].transpose(0, 1).reshape(-1, maps.shape[1])


def position_first(maps, stride=1):
    return maps[..., ::stride, ::stride].permute(2, 3, 0, 1).flatten(0, 2)


def column_by_column(maps, stride=1):
    return maps[..., ::stride, ::stride].permute(0, 3, 2, 1).flatten(0, 2)


def no_stride(maps, stride=1):
    return by_movedim(maps)


def stride_one_way(maps, stride=1):
    return by_movedim(maps[:, :, ::stride])


def stride_over_rows(maps, stride=1):
    return by_movedim(maps)[:: stride * stride]


def average_over_strides(maps, stride=1):
    return by_movedim(torch.nn.functional.avg_pool2d(maps, stride))


def cuts_the_rest(maps, stride=1):
    h, w = (side // stride * stride for side in maps.shape[2:])
    return by_movedim(maps[:, :, :h, :w], stride)


def as_numpy(maps, stride=1):
    return by_movedim(maps, stride).numpy()


WRONG_FOLDINGS = [
    (channels_as_datapoints, "your channels are the datapoints"),
    (positions_as_neurons, "neuron of its own"),
    (pooled, "averages over space"),
    (only_reshaped, "reshape alone"),
    (batch_swapped, "reshape alone"),
    (position_first, "another order"),
    (column_by_column, "another order"),
    (no_stride, "changed nothing"),
    (stride_one_way, "both directions"),
    (stride_over_rows, "other positions"),
    (average_over_strides, "no averages"),
    (cuts_the_rest, "12 rows"),
    (as_numpy, "Expected a tensor"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_FOLDINGS)
def test_a_wrong_folding_gets_the_hint_that_fits(student, word, outcome_of):
    assert_rejected(outcome_of(lab05.check_conv_to_samples, student), word)


# ---- svcca


def reduced(count, *, centre=True):
    """An SVCCA that keeps count(s, threshold) directions of each layer."""

    def student(acts_x, acts_y, threshold=0.99):
        kept = []
        for acts in (acts_x, acts_y):
            u, s, _ = np.linalg.svd(centred(acts) if centre else acts, full_matrices=False)
            kept.append(u[:, : max(1, count(s, threshold))] * s[: max(1, count(s, threshold))])
        return lab05.cca(*kept).mean()

    return student


def enough(s, threshold):
    share = np.cumsum(s**2) / np.sum(s**2)
    return min(int(np.searchsorted(share, threshold - 1e-9)) + 1, int((s > 1e-7 * s[0]).sum()))


def by_eigenvectors(acts_x, acts_y, threshold=0.99):
    kept = []
    for acts in (acts_x, acts_y):
        values, vectors = np.linalg.eigh(np.cov(acts.T))
        values, vectors = values[::-1].clip(0), vectors[:, ::-1]
        count = next(k for k in range(1, len(values) + 1) if values[:k].sum() >= (threshold - 1e-12) * values.sum())
        kept.append(acts @ vectors[:, :count])
    return float(np.mean(lab05.cca(*kept)))


@pytest.mark.parametrize("student", [by_eigenvectors, reduced(enough)])
def test_other_right_ways_to_svcca_pass(student, outcome_of):
    result = outcome_of(lab05.check_svcca, student)
    assert result.status == "correct", result.hint


def singular_values(s, threshold):
    return int(np.sum(np.cumsum(s) / s.sum() < threshold - 1e-9)) + 1


def one_too_few(s, threshold):
    return int(np.sum(np.cumsum(s**2) / np.sum(s**2) <= threshold + 1e-9))


def one_too_many_directions(s, threshold):
    return enough(s, threshold) + 1


def as_epsilon(s, threshold):
    return int(np.sum(s > (1 - threshold) * s[0]))


def share_of_each(s, threshold):
    return int(np.sum(s**2 / np.sum(s**2) >= 1 - threshold))


def first_layer_only(acts_x, acts_y, threshold=0.99):
    u, s, _ = np.linalg.svd(centred(acts_x), full_matrices=False)
    return lab05.cca(u[:, : enough(s, threshold)], acts_y).mean()


def same_number_for_both(acts_x, acts_y, threshold=0.99):
    parts = [np.linalg.svd(centred(acts), full_matrices=False) for acts in (acts_x, acts_y)]
    count = max(enough(s, threshold) for _, s, _ in parts)
    return lab05.cca(*(u[:, :count] * s[:count] for u, s, _ in parts)).mean()


def all_correlations(acts_x, acts_y, threshold=0.99):
    return np.sort(lab05.cca(acts_x, acts_y))


def no_reduction(acts_x, acts_y, threshold=0.99):
    return lab05.cca(acts_x, acts_y).mean()


def strongest_correlations(acts_x, acts_y, threshold=0.99):
    rho = lab05.cca(acts_x, acts_y)
    return rho[: enough(rho, threshold)].mean()


def fixed_threshold(acts_x, acts_y, threshold=0.99):
    return reduced(enough)(acts_x, acts_y, 0.99)


def other_default(acts_x, acts_y, threshold=0.9):
    return reduced(enough)(acts_x, acts_y, threshold)


WRONG_SVCCA = [
    (reduced(singular_values), "their square"),
    (reduced(one_too_few), "one too early"),
    (reduced(one_too_many_directions), "you keep 3"),
    (reduced(as_epsilon), "Add the shares up"),
    (reduced(share_of_each), "Add the shares up"),
    (reduced(enough, centre=False), "Subtract the mean of each neuron"),
    (first_layer_only, "expected"),
    (same_number_for_both, "of its own"),
    (all_correlations, "one number"),
    (no_reduction, "keep all 4"),
    (strongest_correlations, "Shares of the variance"),
    (fixed_threshold, "Is `threshold` used"),
    (other_default, "0.99"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_SVCCA)
def test_a_wrong_svcca_gets_the_hint_that_fits(student, word, outcome_of):
    assert_rejected(outcome_of(lab05.check_svcca, student), word)
