//! Spectral norm of a network's weights: see [`dcgan_kernels::spectral_norm`] for the formulas.

use crate::activations::Mode;
use crate::net::Net;
use crate::stage::two_ranges;
use dcgan_kernels::Cpu;
use dcgan_kernels::spectral_norm;

impl Net {
    /// Number of values of the normalized weights, which is 0 without spectral norm.
    pub(crate) fn normalized_len(&self) -> usize {
        let is_normalized = self.stages.iter().any(|stage| stage.spectral_norm.is_some());
        if is_normalized { self.layout.parameters_len } else { 0 }
    }

    /// Number of scratch values that the functions here need.
    pub(crate) fn spectral_scratch_len(&self) -> usize {
        let stages = self.stages.iter().filter_map(|stage| stage.spectral_norm.as_ref());
        let lens = stages.map(|norm| spectral_norm::scratch_len(norm.v.len(), norm.u.len()).max(norm.v.len()));
        lens.max().unwrap_or(0)
    }

    /// Computes the weights that a forward pass uses. In training mode the singular vectors move by one power
    /// iteration.
    pub(crate) fn normalize_weights(&mut self, cpu: &Cpu, mode: Mode) {
        let Self { stages, parameters, normalized, buffers, spectral_scratch, .. } = self;
        for stage in stages {
            let Some(norm) = &mut stage.spectral_norm else { continue };
            let weight = &parameters[stage.weight.clone()];
            let (u, v) = two_ranges(buffers, &norm.u, &norm.v);
            norm.sigma = match mode {
                Mode::Train(_) => spectral_norm::power_iteration(cpu, u, v, weight, spectral_scratch),
                Mode::Eval => spectral_norm::singular_value(cpu, u, v, weight, spectral_scratch),
            };
            spectral_norm::normalize_weight(cpu, &mut normalized[stage.weight.clone()], weight, norm.sigma);
        }
    }

    /// Turns the gradients of the normalized weights into those of the parameters.
    pub(crate) fn finish_weight_gradients(&mut self, cpu: &Cpu, gradient: &mut [f32]) {
        let Self { stages, normalized, buffers, spectral_scratch, .. } = self;
        for stage in stages {
            let Some(norm) = &stage.spectral_norm else { continue };
            let (u, v) = two_ranges(buffers, &norm.u, &norm.v);
            let (gradient, normalized) = (&mut gradient[stage.weight.clone()], &normalized[stage.weight.clone()]);
            spectral_norm::weight_gradient(cpu, gradient, normalized, u, v, norm.sigma, spectral_scratch);
        }
    }
}
