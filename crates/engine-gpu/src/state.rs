//! Conversion of a network's tensors from and to a state_dict.

use crate::net::Net;
use crate::parameter::Parameter;
use crate::spectral_norm::SpectralNorm;
use crate::stage::Stage;
use crate::transfer::{download, flat, upload};
use burn_tensor::{Device, Tensor};
use dcgan_model::{self as model, EngineError, StateDict, TensorSpec};
use std::collections::HashMap;

impl Net {
    /// Loads a checked state_dict.
    pub(crate) fn load(&mut self, state: &StateDict, device: &Device) {
        let values = self.read_parameters(state, device);
        self.set_parameters(values);
        for norm in self.stages.iter_mut().filter_map(|stage| stage.norm.as_mut()) {
            let tensor = |suffix: &str| &state[&format!("{}.{suffix}", norm.layer)];
            let row = |suffix: &str| {
                let values = tensor(suffix).as_f32().unwrap_or_default();
                upload(values, [1, values.len()], device)
            };
            (norm.mean, norm.var) = (row("running_mean"), row("running_var"));
            norm.batches = tensor("num_batches_tracked").as_i64().map_or(0, |batches| batches[0]);
        }
        for stage in &mut self.stages {
            if let Some(norm) = &mut stage.spectral_norm {
                norm.load(state, device);
                norm.normalize(&self.parameters[stage.weight].value);
            }
        }
    }

    /// Returns a copy of the network with the tensors of a checked state_dict.
    pub(crate) fn with(&self, state: &StateDict, device: &Device) -> Self {
        let mut net = self.clone();
        net.load(state, device);
        net
    }

    /// Copies checked tensors with the names and shapes of the parameters, Adam's for example, to the device.
    pub(crate) fn read_parameters(&self, tensors: &StateDict, device: &Device) -> Vec<Tensor<2>> {
        let read =
            |parameter: &Parameter| parameter.upload(tensors[&parameter.name].as_f32().unwrap_or_default(), device);
        self.parameters.iter().map(read).collect()
    }

    /// Copies tensors with the shapes of the parameters from the device and returns them with the names of the
    /// parameters and PyTorch's shapes.
    pub(crate) fn write_parameters(&self, values: &[Tensor<2>]) -> Result<StateDict, EngineError> {
        let flat = self.parameters.iter().zip(values).map(|(parameter, value)| parameter.flat(value.clone()));
        let mut values: HashMap<&str, Vec<f32>> = self.names().zip(download(flat.collect())?).collect();
        let specs = self.specs.iter().filter(|spec| spec.is_parameter);
        Ok(specs.map(|spec| spec_tensor(spec, values.remove(spec.name.as_str()).unwrap_or_default())).collect())
    }

    /// Returns the network's state_dict with `values` in the place of its parameters.
    pub(crate) fn state_with(&self, values: &[Tensor<2>]) -> Result<StateDict, EngineError> {
        let norms = || self.stages.iter().filter_map(|stage| stage.norm.as_ref());
        let (buffer_names, buffers): (Vec<String>, Vec<Tensor<1>>) = self.buffers().into_iter().unzip();
        let parameters = self.parameters.iter().zip(values).map(|(parameter, value)| parameter.flat(value.clone()));
        let flat = parameters.chain(buffers).collect();
        let names = self.names().map(str::to_owned).chain(buffer_names);
        let mut values: HashMap<String, Vec<f32>> = names.zip(download(flat)?).collect();
        let batches: HashMap<String, i64> =
            norms().map(|norm| (format!("{}.num_batches_tracked", norm.layer), norm.batches)).collect();
        let tensors = self.specs.iter().map(|spec| match batches.get(&spec.name) {
            Some(&batches) => (spec.name.clone(), model::Tensor::scalar_i64(batches)),
            None => spec_tensor(spec, values.remove(&spec.name).unwrap_or_default()),
        });
        Ok(tensors.collect())
    }

    /// Returns the network's state_dict.
    pub(crate) fn state(&self) -> Result<StateDict, EngineError> {
        self.state_with(&self.values())
    }

    /// Returns the names of the parameters in the state_dict.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.name.as_str())
    }

    /// Returns the float tensors that are no parameters, in PyTorch's order, with their names.
    fn buffers(&self) -> Vec<(String, Tensor<1>)> {
        let of_stage = |stage: &Stage| {
            let running = stage.norm.iter().flat_map(|norm| {
                let name = |suffix| format!("{}.{suffix}", norm.layer);
                [(name("running_mean"), flat(norm.mean.clone())), (name("running_var"), flat(norm.var.clone()))]
            });
            running.chain(stage.spectral_norm.iter().flat_map(SpectralNorm::buffers)).collect::<Vec<_>>()
        };
        self.stages.iter().flat_map(of_stage).collect()
    }

    /// Returns every float tensor with a description for messages.
    pub(crate) fn floats(&self) -> Vec<(String, Tensor<2>)> {
        let parameters = self.parameters.iter().map(|p| (format!("the parameter {}", p.name), p.value.clone()));
        let buffers = self.buffers().into_iter().map(|(name, values)| {
            let len = values.dims()[0];
            (format!("the running statistic {name}"), values.reshape([1, len]))
        });
        parameters.chain(buffers).collect()
    }
}

/// Returns the name and the tensor of an entry of the state_dict.
fn spec_tensor(spec: &TensorSpec, values: Vec<f32>) -> (String, model::Tensor) {
    (spec.name.clone(), model::Tensor::f32(spec.shape.clone(), values))
}
