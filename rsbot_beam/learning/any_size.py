"""The transform_fn for patches of any size.

tf.Transform fixes the height and width of its inputs to those of the patches that it analysed. All that it does here it
does pixel by pixel, so that the same graph serves patches of any other size, once it does not declare them: a network
that reads a size from the declaration would else cut larger patches down in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from rsbot_beam.errors import DatasetError

Tensors = Mapping[str, tf.Tensor]


def of_any_size(function: tf.types.experimental.ConcreteFunction) -> Callable[[Tensors], dict[str, tf.Tensor]]:
    """The same function for inputs of any height and width, to be called within a `tf.function`.

    Args:
        function: `transform_fn` of a loaded transform_fn; has to live as long as the result is called.

    Returns:
        From the same inputs to the same outputs, by name; of axes only the ranks are fixed.

    Raises:
        DatasetError: The graph calls other functions, which could declare sizes of their own.
    """
    graph = function.graph.as_graph_def()
    if graph.library.function:
        raise DatasetError(
            "the transform_fn calls functions of its own, and cannot be applied to other sizes: it was not "
            "made by `rsbot export` of this version; start the export again with --steps analyze,transform"
        )
    inputs = function.inputs[: len(function.inputs) - len(function.captured_inputs)]
    names = {tensor.op.name for tensor in inputs}
    for node in graph.node:
        node.attr.pop("_output_shapes", None)
        if node.name in names:
            for axis in node.attr["shape"].shape.dim:
                axis.size = -1
    outputs = dict(zip(sorted(function.structured_outputs), function.outputs, strict=True))

    def call(values: Tensors) -> dict[str, tf.Tensor]:
        # Inputs are in the order of their names, as tf.nest flattens a mapping.
        given = [*tf.nest.flatten(dict(values)), *function.captured_inputs]
        fed = {tensor.name: tf.identity(value) for tensor, value in zip(function.inputs, given, strict=True)}
        found = tf.graph_util.import_graph_def(
            graph, fed, [tensor.name for tensor in outputs.values()], name="transform"
        )
        return dict(zip(outputs, found, strict=True))

    return call
