//! The sizes and options that fix the architecture of both networks.

use serde::{Deserialize, Serialize};

/// The sizes a DCGAN is built from. [`ModelConfig::TUTORIAL`] is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Height and width of the images in pixels: 32, 64, 128 or 256.
    pub image_size: usize,
    /// Color channels of the images: 1 (gray) or 3 (RGB).
    pub channels: usize,
    /// Length of the noise vector z.
    pub latent_dim: usize,
    /// Channels of the generator's layer next to the image; each halving of the image doubles them (`ngf` of PyTorch's
    /// example).
    pub base_channels_g: usize,
    /// Channels of the discriminator's first layer; each halving of the image doubles them (`ndf` of PyTorch's
    /// example).
    pub base_channels_d: usize,
    /// Normalization of the discriminator.
    pub norm_d: DiscriminatorNorm,
}

/// Normalization of the discriminator's layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiscriminatorNorm {
    /// Batch norm behind every convolution but the first and the last, and no biases: the tutorial.
    #[default]
    Batch,
    /// Every convolution has a bias, and its weight is divided by an estimate of its largest singular value (Miyato et
    /// al. 2018, *Spectral Normalization for GANs*), as `torch.nn.utils.parametrizations.spectral_norm` does it.
    Spectral,
    /// Every convolution has a bias, and nothing is normalized.
    None,
}

impl DiscriminatorNorm {
    /// All variants with their names.
    pub const ALL: [(&'static str, Self); 3] =
        [("batch", Self::Batch), ("spectral", Self::Spectral), ("none", Self::None)];
}

crate::name::impl_names!(DiscriminatorNorm);

/// Error returned for sizes that no network can be built for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The image size is not one of [`ModelConfig::IMAGE_SIZES`].
    #[error("image size {0} is not possible: choose 32, 64, 128 or 256")]
    ImageSize(usize),
    /// The number of channels is neither 1 nor 3.
    #[error("{0} channels are not possible: choose 1 (grey) or 3 (colour)")]
    Channels(usize),
    /// The latent dimension is out of range.
    #[error("latent dimension {0} is not possible: choose 1 to {max}", max = ModelConfig::MAX_LATENT_DIM)]
    LatentDim(usize),
    /// The base width is out of range.
    #[error("base width {0} is not possible: choose 1 to {max} channels", max = ModelConfig::MAX_BASE_CHANNELS)]
    BaseChannels(usize),
}

impl ModelConfig {
    /// The tutorial's networks.
    pub const TUTORIAL: Self = Self {
        image_size: 64,
        channels: 3,
        latent_dim: 100,
        base_channels_g: 64,
        base_channels_d: 64,
        norm_d: DiscriminatorNorm::Batch,
    };
    /// The image sizes a network can be built for: 4 doubled three to six times.
    pub const IMAGE_SIZES: [usize; 4] = [32, 64, 128, 256];
    /// The longest noise vector. Far beyond use; it keeps a typing error from asking for terabytes.
    pub const MAX_LATENT_DIM: usize = 65_536;
    /// The largest base width, for the same reason.
    pub const MAX_BASE_CHANNELS: usize = 1024;

    /// Checks that a network can be built.
    ///
    /// # Errors
    /// Names the first number that is impossible and those that are possible.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !Self::IMAGE_SIZES.contains(&self.image_size) {
            return Err(ConfigError::ImageSize(self.image_size));
        }
        if !matches!(self.channels, 1 | 3) {
            return Err(ConfigError::Channels(self.channels));
        }
        if !(1..=Self::MAX_LATENT_DIM).contains(&self.latent_dim) {
            return Err(ConfigError::LatentDim(self.latent_dim));
        }
        for base_channels in [self.base_channels_g, self.base_channels_d] {
            if !(1..=Self::MAX_BASE_CHANNELS).contains(&base_channels) {
                return Err(ConfigError::BaseChannels(base_channels));
            }
        }
        Ok(())
    }

    /// Returns the same configuration with this base width for both networks.
    #[must_use]
    pub const fn with_base_channels(self, base_channels: usize) -> Self {
        Self { base_channels_g: base_channels, base_channels_d: base_channels, ..self }
    }

    /// Number of values in one image: channels × height × width.
    pub fn image_len(&self) -> usize {
        self.channels * self.image_size * self.image_size
    }

    /// How many times the generator doubles the image after its first 4 × 4: 4 for 64 pixels.
    pub(crate) fn doublings(&self) -> u32 {
        self.image_size.ilog2() - 2
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self::TUTORIAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_sizes_are_refused_with_the_possible_ones() {
        let ok = ModelConfig::default();
        assert_eq!(ok.validate(), Ok(()));
        let text = |config: ModelConfig| config.validate().unwrap_err().to_string();
        assert!(text(ModelConfig { image_size: 48, ..ok }).contains("32, 64, 128 or 256"));
        assert!(text(ModelConfig { channels: 4, ..ok }).contains("1 (grey) or 3"));
        assert!(text(ModelConfig { latent_dim: 0, ..ok }).contains("1 to 65536"));
        assert!(text(ModelConfig { base_channels_d: 1025, ..ok }).contains("1 to 1024"));
    }
}
