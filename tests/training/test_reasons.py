"""What TensorFlow says is told without its insides; what cannot be written is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rsbot_beam.errors import DatasetError, RsbotError
from rsbot_beam.training.reasons import reason
from tests.training.conftest import train

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("{{function_node __wrapped__IteratorGetNext_device_/CPU:0}} corrupted record at 9 [Op:IteratorGetNext] name: ",
         "corrupted record at 9"),
        ("{{function_node x}} w/events.v2; No space left on device\n\tFailed to flush.\n\tCould not [Op:Create] name: ",
         "w/events.v2; No space left on device Failed to flush. Could not"),
        ("plain", "plain"),
        ("", "DataLossError"),
    ],
)  # fmt: skip
def test_messages_without_insides(message: str, told: str) -> None:
    import tensorflow as tf

    assert reason(tf.errors.DataLossError(None, None, message)) == told


def test_a_damaged_shard_is_named_in_plain_words(
    plain_dataset: str, changed_dataset: Callable[..., str], tmp_path: Path
) -> None:
    root = changed_dataset(plain_dataset, "plain_words")
    victim = min(Path(root, "train").glob("*.tfrecord"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.write_bytes(content)
    with pytest.raises(DatasetError, match=r"\.tfrecord: corrupted record at \d+\. Remove it") as caught:
        train(root, tmp_path / "model")
    assert "{{" not in str(caught.value) and "Op:" not in str(caught.value)


def test_logs_that_cannot_be_written_are_told(plain_dataset: str, tmp_path: Path) -> None:
    """A file is where their folder belongs: what a full disk does, TensorFlow says in the same way."""
    output = tmp_path / "model"
    output.mkdir()
    (output / "logs").write_text("")
    with pytest.raises(RsbotError, match=rf"logs of the training cannot be written to {output}/logs \(.*same command"):
        train(plain_dataset, output, epochs=1)
    (output / "logs").unlink()
    assert train(plain_dataset, output, epochs=1).description["training"]["epochs_done"] == 1
