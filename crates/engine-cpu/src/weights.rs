//! The layout of tensors in the engine's flat memory, and conversion from and to PyTorch's layout.

use dcgan_model::{Layer, Network, StateDict, Tensor, TensorData, TensorSpec};
use std::ops::Range;

/// One tensor of a state_dict in flat memory.
#[derive(Debug, Clone)]
struct Slot {
    spec: TensorSpec,
    /// The tensor's shape, except for the right singular vector of a convolution, which lies in the order of one row of
    /// its weight.
    shape: Vec<usize>,
    range: Range<usize>,
}

/// The places of a batch norm's tensors among parameters and buffers.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
    pub(crate) running_mean: Range<usize>,
    pub(crate) running_var: Range<usize>,
}

/// The tensors of a network: parameters in one block of memory, running statistics in another. Parameters of an
/// optimizer have the same layout, so that a block of them can be updated, saved and loaded in the same way.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    slots: Vec<Slot>,
    pub(crate) parameters_len: usize,
    pub(crate) buffers_len: usize,
}

impl Layout {
    pub(crate) fn new(network: &Network) -> Self {
        let (mut parameters_len, mut buffers_len) = (0, 0);
        let slots = network
            .tensors()
            .into_iter()
            .filter(|spec| !spec.is_integer)
            .map(|spec| {
                let end = if spec.is_parameter { &mut parameters_len } else { &mut buffers_len };
                let start = *end;
                *end += spec.shape.iter().product::<usize>();
                let shape = layout_shape(network, &spec);
                Slot { spec, shape, range: start..*end }
            })
            .collect();
        Self { slots, parameters_len, buffers_len }
    }

    /// Returns the range of a tensor in its block.
    ///
    /// # Panics
    /// If there is no such tensor: the names come from the layer list.
    pub(crate) fn range(&self, layer: usize, suffix: &str) -> Range<usize> {
        let name = format!("{layer}.{suffix}");
        let slot = self.slots.iter().find(|slot| slot.spec.name == name);
        slot.unwrap_or_else(|| panic!("no tensor {name}")).range.clone()
    }

    /// Copies parameters (or, with `parameters` false, running statistics) out of a checked state_dict.
    pub(crate) fn read(&self, block: &mut [f32], state: &StateDict, parameters: bool) {
        for slot in self.slots.iter().filter(|slot| slot.spec.is_parameter == parameters) {
            if let Some(values) = state.get(&slot.spec.name).and_then(Tensor::as_f32) {
                to_engine(&mut block[slot.range.clone()], values, &slot.shape);
            }
        }
    }

    /// Copies parameters (or running statistics) to a state_dict: the reverse of [`Layout::read`].
    pub(crate) fn write(&self, state: &mut StateDict, block: &[f32], parameters: bool) {
        for slot in self.slots.iter().filter(|slot| slot.spec.is_parameter == parameters) {
            let values = from_engine(&block[slot.range.clone()], &slot.shape);
            state.insert(slot.spec.name.clone(), Tensor::f32(slot.spec.shape.clone(), values));
        }
    }

    /// Returns the name of the first parameter (or running statistic) with a value in `block` that is not finite.
    pub(crate) fn non_finite(&self, block: &[f32], parameters: bool) -> Option<&str> {
        let bad = |slot: &&Slot| !block[slot.range.clone()].iter().all(|value| value.is_finite());
        let slots = self.slots.iter().filter(|slot| slot.spec.is_parameter == parameters);
        Some(&slots.into_iter().find(bad)?.spec.name)
    }
}

/// Returns the shape by which a tensor's values are ordered.
fn layout_shape(network: &Network, spec: &TensorSpec) -> Vec<usize> {
    let layer = spec.name.strip_suffix(Layer::SPECTRAL_V).and_then(|index| index.strip_suffix('.')?.parse().ok());
    match layer.and_then(|index: usize| network.layers.get(index)) {
        Some(Layer::Conv2d(conv)) => vec![1, conv.in_channels, conv.kernel, conv.kernel],
        _ => spec.shape.clone(),
    }
}

/// Converts PyTorch's small × big × k × k to the kernels' k × k × big × small; other tensors are copied.
fn to_engine(out: &mut [f32], values: &[f32], shape: &[usize]) {
    for_each_place(shape, |engine, torch| out[engine] = values[torch]);
}

/// Converts the kernels' layout to PyTorch's: the reverse of [`to_engine`].
fn from_engine(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    for_each_place(shape, |engine, torch| out[torch] = values[engine]);
    out
}

/// Calls `work(position in the engine, position in PyTorch)` for every value of a tensor.
fn for_each_place(shape: &[usize], mut work: impl FnMut(usize, usize)) {
    let [small, big, ky, kx] = *shape else {
        (0..shape.iter().product()).for_each(|i| work(i, i));
        return;
    };
    let taps = ky * kx;
    for tap in 0..taps {
        for b in 0..big {
            for s in 0..small {
                work((tap * big + b) * small + s, (s * big + b) * taps + tap);
            }
        }
    }
}

/// Returns the tensors of `state` in the network's own order.
pub(crate) fn sort(state: StateDict, network: &Network, batches: i64) -> StateDict {
    let mut state = state;
    let mut sorted = StateDict::new();
    for spec in network.tensors() {
        if spec.is_integer {
            sorted.insert(spec.name, Tensor { shape: spec.shape, data: TensorData::I64(vec![batches]) });
        } else if let Some(tensor) = state.swap_remove(&spec.name) {
            sorted.insert(spec.name, tensor);
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_survive_the_way_in_and_out() {
        let shape = [3, 2, 4, 5];
        let values: Vec<f32> = (0..120).map(|i| i as f32).collect();
        let mut inside = vec![0.0; 120];
        to_engine(&mut inside, &values, &shape);
        // small 1, big 1, ky 2, kx 3
        assert_eq!(inside[((2 * 5 + 3) * 2 + 1) * 3 + 1], values[((2 + 1) * 4 + 2) * 5 + 3]);
        assert_eq!(from_engine(&inside, &shape), values);
    }
}
