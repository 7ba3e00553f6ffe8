//! A run's settings as a flat list of names and values, for programs that compare runs.

use crate::TrainConfig;
use dcgan_model::{AdamConfig, DiscriminatorNorm, Init, Loss, ModelConfig};

/// A hyperparameter's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Text(String),
    Flag(bool),
}

/// The settings that decide a run's result, under the names of the options and of the keys in `config.toml`. What is
/// not set is absent. Learning rates are those that each network has.
pub(crate) fn hyperparameters(config: &TrainConfig) -> Vec<(&'static str, Value)> {
    // Every field is named, so that a new one is not forgotten.
    let TrainConfig {
        model,
        adam,
        lr_d,
        lr_g,
        schedule,
        loss,
        label_smoothing,
        r1,
        r2,
        d_steps,
        augment,
        ema,
        recalibrate,
        init,
        seed,
        batch_size,
        shards,
        epochs,
        epoch_size,
        max_steps,
        flip,
        // Changes no weight.
        evaluate_every: _,
    } = *config;
    let ModelConfig { image_size, channels, latent_dim, base_channels_g, base_channels_d, norm_d } = model;
    // The tutorial's, always.
    let AdamConfig { lr, beta1, beta2, eps: _ } = adam;
    let number = |name: &'static str, value: f64| Some((name, Value::Number(value)));
    let count = |name: &'static str, value: usize| Some((name, Value::Number(value as f64)));
    let text = |name: &'static str, value: &str| Some((name, Value::Text(value.to_owned())));
    [
        count("batch-size", batch_size),
        count("shards", shards),
        number("epochs", epochs as f64),
        epoch_size.and_then(|size| count("epoch-size", size)),
        max_steps.and_then(|steps| number("max-steps", steps as f64)),
        count("image-size", image_size),
        count("channels", channels),
        count("latent-dim", latent_dim),
        count("base-channels-g", base_channels_g),
        count("base-channels-d", base_channels_d),
        text("d-norm", name(&DiscriminatorNorm::ALL, norm_d)),
        number("lr-d", lr_d.unwrap_or(lr)),
        number("lr-g", lr_g.unwrap_or(lr)),
        number("beta1", beta1),
        number("beta2", beta2),
        text("lr-schedule", name(&crate::Schedule::ALL, schedule)),
        text("loss", name(&Loss::ALL, loss)),
        number("label-smoothing", label_smoothing),
        number("r1", r1),
        number("r2", r2),
        count("d-steps", d_steps),
        text("augment", &augment.to_string()),
        number("ema", ema.unwrap_or(0.0)),
        Some(("recalibrate", Value::Flag(recalibrate))),
        Some(("flip", Value::Flag(flip))),
        text("init", name(&Init::ALL, init)),
        // As text: a number would be rounded, as a seed has 64 bits.
        text("seed", &seed.to_string()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the name of `value` in a table of names.
fn name<T: Copy + PartialEq>(all: &[(&'static str, T)], value: T) -> &'static str {
    all.iter().find(|(_, one)| *one == value).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_learning_rate_and_each_choice_its_name() {
        let config = TrainConfig { lr_d: Some(1e-3), seed: u64::MAX, ..TrainConfig::TUTORIAL };
        let all = hyperparameters(&config);
        let value = |wanted: &str| all.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
        assert_eq!(value("lr-d"), Some(Value::Number(1e-3)));
        assert_eq!(value("lr-g"), Some(Value::Number(2e-4)));
        assert_eq!(value("seed"), Some(Value::Text("18446744073709551615".to_owned())));
        assert_eq!(value("max-steps"), None);
        assert!(all.iter().all(|(_, value)| *value != Value::Text(String::new())), "{all:?}");
    }
}
