"""Orbax: a run that is saved and restored, on the same devices or laid out otherwise, is the uninterrupted one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from jax.sharding import NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

from indian_jax import INDIANState, indian, power_decay

LAYOUTS = {
    "one device": lambda mesh: SingleDeviceSharding(jax.devices()[0]),
    "replicated": lambda mesh: NamedSharding(mesh, P()),
    "rows": lambda mesh: NamedSharding(mesh, P("data")),
    "rows over all": lambda mesh: NamedSharding(mesh, P(("data", "model"))),
}


def transformation(velocity_dtype=None):
    return optax.chain(
        optax.clip_by_global_norm(2.0),
        optax.inject_hyperparams(indian, static_args=("mask", "velocity_dtype"))(
            power_decay(0.2), 0.5, 0.3, weight_decay=0.1, velocity_dtype=velocity_dtype
        ),
    )


def place(tree, layout):
    """Arrays that have dimensions in a layout, the others everywhere."""

    def sharding(array):
        whole = isinstance(layout, SingleDeviceSharding)
        return layout if whole or jnp.ndim(array) else NamedSharding(layout.mesh, P())

    return jax.device_put(tree, jax.tree.map(sharding, tree))


def steps(tx, checkpoint, number):
    @jax.jit
    def step(params, state):
        updates, state = tx.update(jax.tree.map(jnp.sin, params), state, params)
        return optax.apply_updates(params, updates), state

    params, state = checkpoint["params"], checkpoint["state"]
    for _ in range(number):
        params, state = step(params, state)
    return {"params": params, "state": state}


@pytest.fixture
def begun(initial):
    """Parameters and state after three steps on one device."""
    return steps(transformation(), {"params": initial, "state": transformation().init(initial)}, 3)


@pytest.fixture
def checkpointer():
    with ocp.StandardCheckpointer() as checkpointer:
        yield checkpointer


def abstract(tree):
    return jax.tree.map(ocp.utils.to_shape_dtype_struct, tree)


@pytest.mark.parametrize(
    ("saved_in", "restored_in"),
    [("one device", "rows over all"), ("rows over all", "rows"), ("rows", "one device"), ("replicated", "replicated")],
)
def test_restored_run_is_the_uninterrupted_one(
    mesh, begun, checkpointer, saved_in, restored_in, tmp_path, assert_trees_equal, assert_trees_close
):
    checkpointer.save(tmp_path / "checkpoint", place(begun, LAYOUTS[saved_in](mesh)))
    checkpointer.wait_until_finished()
    target = place(jax.tree.map(jnp.zeros_like, begun), LAYOUTS[restored_in](mesh))
    restored = checkpointer.restore(tmp_path / "checkpoint", abstract(target))
    assert_trees_equal(restored, begun)
    assert jax.tree.map(lambda a: a.sharding, restored) == jax.tree.map(lambda a: a.sharding, target)
    tx = transformation()
    assert_trees_close(steps(tx, restored, 5), steps(tx, begun, 5))


def test_run_on_the_same_device_resumes_to_the_last_bit(initial, checkpointer, tmp_path, assert_trees_equal):
    tx = transformation(velocity_dtype=jnp.bfloat16)
    start = steps(tx, {"params": initial, "state": tx.init(initial)}, 3)
    checkpointer.save(tmp_path / "checkpoint", start)
    checkpointer.wait_until_finished()
    restored = checkpointer.restore(tmp_path / "checkpoint", abstract(start))
    assert_trees_equal(steps(tx, restored, 5), steps(tx, start, 5))


def test_manager_keeps_the_last_checkpoints(begun, tmp_path, assert_trees_equal):
    options = ocp.CheckpointManagerOptions(max_to_keep=2)
    with ocp.CheckpointManager(tmp_path / "run", options=options) as manager:
        for number in range(4):
            manager.save(number, args=ocp.args.StandardSave(begun))
            begun = steps(transformation(), begun, 1)
        manager.wait_until_finished()
        assert manager.all_steps() == [2, 3]
        restored = manager.restore(3, args=ocp.args.StandardRestore(abstract(begun)))
    assert_trees_equal(steps(transformation(), restored, 1), begun)


def test_checkpoint_read_without_a_target_names_its_parts(begun, checkpointer, tmp_path):
    state = indian().init(begun["params"])._replace(count=jnp.int32(7))
    checkpointer.save(tmp_path / "checkpoint", state)
    checkpointer.wait_until_finished()
    read = checkpointer.restore(tmp_path / "checkpoint")
    assert set(read) == set(INDIANState._fields)
    assert set(read["velocity"]) == set(begun["params"])
    np.testing.assert_array_equal(read["count"], 7)
