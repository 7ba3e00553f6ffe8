//! Networks in eval mode: generator, discriminator, and the generator with the gradient of its noise.

use crate::batch::Batch;
use crate::batch_norm::Mode;
use crate::device::GpuDevice;
use crate::net::Net;
use crate::passes::Trace;
use crate::transfer::{download, guarded, upload};
use burn_tensor::{Device, Tensor};
use dcgan_model::{
    Differentiate, Discriminate, EngineError, Generate, ModelConfig, Network, RecognizeError, Shards, StateDict,
};

/// Images computed at a time.
const BATCH: usize = 128;

/// A generator in eval mode.
#[derive(Debug)]
pub struct GpuGenerator(LoadedNetwork);

/// A discriminator in eval mode.
#[derive(Debug)]
pub struct GpuDiscriminator(LoadedNetwork);

/// A generator in eval mode through which gradients flow back to the noise. Its weights are constant.
#[derive(Debug)]
pub struct GpuDifferentiableGenerator {
    loaded: LoadedNetwork,
    max_batch: usize,
    /// Values of the last forward pass.
    trace: Option<Trace>,
}

/// A network on a device.
#[derive(Debug)]
struct LoadedNetwork {
    gpu: GpuDevice,
    network: Network,
    net: Net,
}

impl LoadedNetwork {
    fn new(gpu: &GpuDevice, network: &Network, state: &StateDict) -> Result<Self, RecognizeError> {
        network.check(state)?;
        let mut net = Net::new(network, gpu.burn());
        net.load(state, gpu.burn());
        Ok(Self { gpu: gpu.clone(), network: network.clone(), net })
    }
}

impl GpuGenerator {
    /// Copies the weights in `state` to the device.
    ///
    /// # Errors
    /// If `state` is not that of `network`.
    pub fn new(gpu: &GpuDevice, network: &Network, state: &StateDict) -> Result<Self, RecognizeError> {
        Ok(Self(LoadedNetwork::new(gpu, network, state)?))
    }
}

impl Generate for GpuGenerator {
    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let LoadedNetwork { gpu, network, net } = &self.0;
        draw(net, network, noise, gpu)
    }
}

impl GpuDiscriminator {
    /// Copies the weights in `state` to the device.
    ///
    /// # Errors
    /// If `state` is not that of `network`.
    pub fn new(gpu: &GpuDevice, network: &Network, state: &StateDict) -> Result<Self, RecognizeError> {
        Ok(Self(LoadedNetwork::new(gpu, network, state)?))
    }
}

impl Discriminate for GpuDiscriminator {
    fn logits(&mut self, pictures: &[f32]) -> Result<Vec<f32>, EngineError> {
        let LoadedNetwork { gpu, network, net } = &self.0;
        in_batches(net, network, pictures, gpu)
    }
}

impl GpuDifferentiableGenerator {
    /// Copies the weights in `state` to the device, for up to `max_batch` images at a time.
    ///
    /// # Errors
    /// If `state` is not that of `network`.
    ///
    /// # Panics
    /// If `max_batch` is 0.
    pub fn new(
        gpu: &GpuDevice,
        network: &Network,
        state: &StateDict,
        max_batch: usize,
    ) -> Result<Self, RecognizeError> {
        assert!(max_batch > 0, "a batch of no pictures");
        Ok(Self { loaded: LoadedNetwork::new(gpu, network, state)?, max_batch, trace: None })
    }
}

impl Differentiate for GpuDifferentiableGenerator {
    fn config(&self) -> &ModelConfig {
        &self.loaded.network.config
    }

    fn forward(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Self { loaded: LoadedNetwork { gpu, network, net }, max_batch, trace } = self;
        let latent = network.config.latent_dim;
        if !noise.len().is_multiple_of(latent) || !(1..=*max_batch).contains(&(noise.len() / latent)) {
            return Err(EngineError::Batch { got: noise.len(), max_batch: *max_batch, item_len: latent });
        }
        guarded(|| {
            let mut shards = Shards::whole();
            let mut batch = Batch::new(&mut shards, gpu.burn(), noise.len() / latent);
            let (pictures, new_trace) =
                net.forward(Mode::Eval, vec![to_nhwc(noise, network, gpu.burn())], &mut batch)?;
            *trace = Some(new_trace);
            Ok(download(pictures.into_iter().map(to_nchw).collect())?.concat())
        })
    }

    fn backward(&mut self, dpictures: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Self { loaded: LoadedNetwork { gpu, network, net }, trace, .. } = self;
        let trace = trace.clone().expect("backward before forward");
        let ModelConfig { image_size, channels, .. } = network.config;
        let count = trace.outputs().iter().map(|pictures| pictures.dims()[0]).sum();
        assert_eq!(dpictures.len(), count * network.config.image_len(), "gradient of {count} pictures");
        guarded(|| {
            let mut shards = Shards::whole();
            let mut batch = Batch::new(&mut shards, gpu.burn(), count);
            let gradient = upload(dpictures, [count, channels, image_size, image_size], gpu.burn());
            let gradients = net.input_gradients(trace, vec![gradient.permute([0, 2, 3, 1])], &mut batch)?;
            Ok(download(gradients)?.concat())
        })
    }
}

/// Images from `noise` (N × latent, any N) in eval mode: N × C × H × W.
pub(crate) fn draw(net: &Net, network: &Network, noise: &[f32], gpu: &GpuDevice) -> Result<Vec<f32>, EngineError> {
    in_batches(net, network, noise, gpu)
}

/// Returns the network's outputs (N × C × H × W) for inputs of that order, any N. The next batch is computed while
/// one comes back.
fn in_batches(net: &Net, network: &Network, inputs: &[f32], gpu: &GpuDevice) -> Result<Vec<f32>, EngineError> {
    let item_len = network.input_shape().len();
    if !inputs.len().is_multiple_of(item_len) {
        return Err(EngineError::Batch { got: inputs.len(), max_batch: usize::MAX, item_len });
    }
    guarded(|| {
        let mut outputs = Vec::new();
        let mut under_way = None;
        for inputs in inputs.chunks(BATCH * item_len) {
            let next = to_nchw(net.infer(to_nhwc(inputs, network, gpu.burn())));
            gpu.flush()?;
            if let Some(done) = under_way.replace(next) {
                outputs.extend(download(vec![done])?.concat());
            }
        }
        outputs.extend(download(under_way.into_iter().collect())?.concat());
        Ok(outputs)
    })
}

/// Copies what enters a network, N × C × H × W, to the device.
pub(crate) fn to_nhwc(values: &[f32], network: &Network, device: &Device) -> Tensor<4> {
    let shape = network.input_shape();
    let batch = values.len() / shape.len();
    upload(values, [batch, shape.channels, shape.height, shape.width], device).permute([0, 2, 3, 1])
}

/// The reverse order of dimensions, as images leave a network.
pub(crate) fn to_nchw(nhwc: Tensor<4>) -> Tensor<4> {
    nhwc.permute([0, 3, 1, 2])
}
