from __future__ import annotations

import numpy as np
import pytest

from rsbot_beam.local_ee.world.noise import NodeMesh, globe_noise, octaves, plane_noise, weighted_sum
from rsbot_beam.local_ee.world.texture import Grain

RANDOM = np.random.default_rng(5)
X, Y = RANDOM.uniform(-1e6, 1e6, (2, 40_000))


def test_plane_noise_is_standardised():
    values = plane_noise([1, 2, 3], [50.0, 300.0, 2000.0], X, Y)
    assert values.shape == (3, X.size)
    assert values.dtype == np.float32
    assert abs(values.mean(axis=1)).max() < 0.05
    assert abs(values.std(axis=1) - 1.0).max() < 0.1


def test_plane_noise_is_continuous_and_of_its_wavelength():
    x = np.arange(0.0, 4000.0, 1.0)
    fine, coarse = plane_noise([1, 2], [40.0, 1000.0], x, np.zeros_like(x))
    assert np.abs(np.diff(coarse)).max() < 0.02
    assert np.abs(np.diff(fine)).max() < 0.4
    assert np.abs(np.diff(fine)).mean() > 10 * np.abs(np.diff(coarse)).mean()


def test_octaves_have_keys_of_their_own():
    keys, lengths = octaves(0, "hills", [100.0, 50.0])
    assert len(set(keys)) == 2
    assert lengths == [100.0, 50.0]
    assert octaves(1, "hills", [100.0])[0] != octaves(0, "hills", [100.0])[0]


def test_globe_noise_has_no_seam_at_the_antimeridian_or_the_pole():
    lat = np.linspace(-80, 80, 200)
    east = globe_noise([1], [500e3], np.full_like(lat, 179.99999), lat)
    west = globe_noise([1], [500e3], np.full_like(lat, -179.99999), lat)
    np.testing.assert_allclose(east, west, atol=1e-4)
    around = globe_noise([1], [500e3], np.linspace(-180, 180, 50), np.full(50, 89.99999))
    assert np.ptp(around) < 1e-3


def test_globe_noise_is_standardised():
    lat = np.degrees(np.arcsin(RANDOM.uniform(-1, 1, 60_000)))
    values = globe_noise([3], [200e3], RANDOM.uniform(-180, 180, lat.size), lat)[0]
    assert abs(values.mean()) < 0.05
    assert abs(values.std() - 1.0) < 0.1


@pytest.mark.parametrize("margin", [0, 2])
def test_mesh_reads_a_linear_field_exactly(margin: int):
    x, y = RANDOM.uniform(-2000, 2000, (2, 500))
    mesh = NodeMesh(x, y, 80.0, margin)
    nodes_x, nodes_y = mesh.nodes
    assert mesh.dense
    values = mesh.interpolate((nodes_x * 0.001 + nodes_y * 0.002).astype(np.float32))
    np.testing.assert_allclose(values, x * 0.001 + y * 0.002, atol=1e-4)


def test_mesh_reads_the_same_dense_and_sparse():
    x, y = RANDOM.uniform(0, 3000, (2, 50))
    far_x, far_y = np.append(x, 9e7), np.append(y, 9e7)

    def field(at_x: np.ndarray, at_y: np.ndarray) -> np.ndarray:
        return plane_noise([4, 5], [300.0, 900.0], at_x, at_y)

    dense, sparse = NodeMesh(x, y, 100.0, margin=3), NodeMesh(far_x, far_y, 100.0, margin=3)
    assert dense.dense
    assert not sparse.dense
    for columns, rows in ((0, 0), (2, -1)):
        near = dense.interpolate(field(*dense.shifted_nodes(columns, rows)), columns, rows)
        far = sparse.interpolate(field(*sparse.shifted_nodes(columns, rows)), columns, rows)
        np.testing.assert_array_equal(near, far[:, :-1])


def test_mesh_shift_reads_aside():
    x, y = np.array([250.0]), np.array([130.0])
    mesh = NodeMesh(x, y, 100.0, margin=2)
    values = (mesh.nodes[0] + 10 * mesh.nodes[1]).astype(np.float32)
    assert mesh.interpolate(values, columns=2)[0] == pytest.approx(450.0 + 1300.0)
    assert mesh.interpolate(values, rows=-1)[0] == pytest.approx(250.0 + 300.0)


def test_mesh_does_not_depend_on_company():
    field = plane_noise([4], [300.0], X[:200], Y[:200])
    assert field.shape == (1, 200)
    one = NodeMesh(X[:1], Y[:1], 80.0)
    many = NodeMesh(X[:200], Y[:200], 80.0)
    alone = one.interpolate(plane_noise([4], [300.0], *one.nodes))
    crowd = many.interpolate(plane_noise([4], [300.0], *many.nodes))
    assert alone[0, 0] == crowd[0, 0]


def test_weighted_sum_does_not_depend_on_the_size():
    octaves_of = RANDOM.normal(size=(9, 1000)).astype(np.float32)
    weights = RANDOM.uniform(size=9).tolist()
    whole = weighted_sum(octaves_of, weights)
    assert all(weighted_sum(octaves_of[:, k : k + 1], weights)[0] == whole[k] for k in range(100))


def test_noise_of_days_is_new_and_small():
    from rsbot_beam.local_ee.world.zones import Cell, Sites

    columns, rows = np.meshgrid(np.arange(120), np.arange(120))
    sites = Sites(Cell(33, 16), columns.ravel() * 10.0 + 5, rows.ravel() * 10.0 + 5, 10.0, None, (120, 120))
    grain = Grain(0)
    noise = [grain.speckle(sites, number, 3) for number in (100, 105)]
    assert abs(noise[0].std() - 1.0) < 0.05
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.05
    values = np.full((2, sites.x.size), 0.2, dtype=np.float32)
    grain.add_noise(values, [3, 7], grain.index(sites, 100))
    assert 0.005 < values.std(axis=1).min() < values.std(axis=1).max() < 0.03
    assert abs(np.corrcoef(values)[0, 1]) < 0.05
