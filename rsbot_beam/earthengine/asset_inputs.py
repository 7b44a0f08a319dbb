"""Has the image that a recipe returns the recipe's bands? For recipes that do not say which assets they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ee

from rsbot_beam.earthengine.asset_problems import Problem, error, listed, nearest, not_checked, refused
from rsbot_beam.earthengine.asset_requests import Answer


def input_questions(images: Sequence[ee.Image]) -> dict[str, ee.ComputedObject]:
    """Expressions, by name, of the bands of the images."""
    return {f"input {number}": image.bandNames() for number, image in enumerate(images)}


def judge_inputs(
    bands: Sequence[str], where: str, images: Sequence[ee.Image], answers: Mapping[str, Answer]
) -> list[Problem]:
    """What the answers to `input_questions` say; of images with the same fault only the first is named.

    Args:
        bands: Names that each image must have.
        where: Region and period, in words.
        images: The images, one for each step in time.
        answers: By name of the question.
    """
    found: dict[str, Problem] = {}
    for number in range(len(images)):
        step = f"step {number} of " if len(images) > 1 else ""
        for problem in _judge_image(bands, f"{step}the recipe's inputs", where, answers[f"input {number}"]):
            found.setdefault(problem.code, problem)
    return list(found.values())


def _judge_image(bands: Sequence[str], name: str, where: str, answer: Answer) -> list[Problem]:
    if answer.failure is not None and answer.failure.says_nothing:
        return [not_checked(name, answer.failure.text)]
    if answer.failure is not None:
        return [refused("inputs-refused", f"{name} {where}", answer.failure.text)]
    known = answer.value or []
    if not known:
        return [
            error(
                "no-image",
                f"{name} have no image {where}: a collection is empty. Check the period, the region and the recipe's filters",
            )
        ]
    missing = [band for band in bands if band not in known]
    return [
        error(
            "band-missing",
            f"{name} have no band {band!r}{nearest(band, known)} There is {listed(known)}: select or rename",
        )
        for band in missing
    ]
