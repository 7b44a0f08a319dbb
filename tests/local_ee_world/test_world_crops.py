from __future__ import annotations

import numpy as np

from rsbot_beam.local_ee.world.crops import ROTATIONS, Crop, Rotations
from rsbot_beam.local_ee.world.hashing import hash_of

FIELDS = hash_of(9, np.arange(4000))


def shares_at(rotations: Rotations, lon: float, lat: float, moisture: float = 0.55) -> np.ndarray:
    return rotations.shares(np.array([lon]), np.array([lat]), np.array([moisture], dtype=np.float32))


def mix_at(rotations: Rotations, lon: float, lat: float, year: int = 2022, moisture: float = 0.55) -> np.ndarray:
    shares = np.repeat(shares_at(rotations, lon, lat, moisture), FIELDS.size, axis=1)
    return np.bincount(rotations.crops(FIELDS, shares, year), minlength=len(Crop)) / FIELDS.size


def test_every_crop_is_in_a_rotation():
    assert {crop for rotation in ROTATIONS for crop in rotation.crops} == set(Crop)


def test_shares_are_cumulative():
    shares = shares_at(Rotations(0), 12.0, 50.0)
    assert shares.shape == (len(ROTATIONS), 1)
    assert (np.diff(shares[:, 0]) >= 0).all()
    assert shares[-1, 0] == 1.0


def test_crops_rotate_from_year_to_year():
    rotations = Rotations(0)
    shares = np.repeat(shares_at(rotations, -93.5, 42.0), FIELDS.size, axis=1)
    years = np.stack([rotations.crops(FIELDS, shares, year) for year in range(2018, 2026)])
    changed = (np.diff(years, axis=0) != 0).mean()
    assert 0.3 < changed < 0.95
    # Rotations of two, three and four years return: most fields grow in twelve years' time what they grow now.
    later = rotations.crops(FIELDS, shares, 2018 + 12)
    assert (later == years[0]).mean() > 0.8


def test_a_field_of_a_year_is_always_the_same():
    rotations = Rotations(0)
    shares = np.repeat(shares_at(rotations, 10.0, 50.0), FIELDS.size, axis=1)
    whole = rotations.crops(FIELDS, shares, 2020)
    part = rotations.crops(FIELDS[100:140], shares[:, 100:140], 2020)
    np.testing.assert_array_equal(part, whole[100:140])


def test_mixes_differ_from_region_to_region():
    rotations = Rotations(0)
    mixes = [mix_at(rotations, lon, lat) for lon, lat in ((-93.5, 42.0), (-100.0, 34.0), (10.0, 52.0), (30.0, 48.0))]
    for k, one in enumerate(mixes):
        for other in mixes[k + 1 :]:
            assert np.abs(one - other).sum() > 0.3


def test_rice_and_cotton_are_of_the_south_and_beet_and_rye_of_the_north():
    rotations = Rotations(0)
    lons = np.arange(-170.0, 180.0, 10.0)
    warm = np.mean([mix_at(rotations, lon, 25.0) for lon in lons], axis=0)
    cool = np.mean([mix_at(rotations, lon, 54.0) for lon in lons], axis=0)
    assert warm[[Crop.RICE, Crop.COTTON]].sum() > 5 * cool[[Crop.RICE, Crop.COTTON]].sum()
    assert cool[[Crop.SUGAR_BEET, Crop.RYE]].sum() > 5 * warm[[Crop.SUGAR_BEET, Crop.RYE]].sum()


def test_another_seed_has_other_regions():
    assert np.abs(mix_at(Rotations(0), 10.0, 50.0) - mix_at(Rotations(1), 10.0, 50.0)).sum() > 0.1
