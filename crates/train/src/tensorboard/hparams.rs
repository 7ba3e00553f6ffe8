//! A run's settings for TensorBoard's page HPARAMS, which compares the runs of a folder by them.
//!
//! A summary without a value of its own carries a message of the plugin in its metadata. Source:
//! `tensorboard/plugins/hparams/summary_v2.py`.

use super::proto::{
    AnyKind, AnyValue, Data, Metadata, OneValue, PluginData, PluginMessage, SessionEndInfo, SessionStartInfo, Status,
    Tensor, TensorShape, Value,
};
use crate::TrainConfig;
use crate::hyperparameters::{self, hyperparameters};
use prost::Message;

/// The name by which the plugin finds its summaries.
const PLUGIN: &str = "hparams";
const START_TAG: &str = "_hparams_/session_start_info";
const END_TAG: &str = "_hparams_/session_end_info";
/// `DT_FLOAT`
const FLOAT: i32 = 1;

/// The summary that says with which settings a run starts, at `seconds` since 1970.
pub(super) fn session_start(config: &TrainConfig, seconds: f64) -> Value {
    let hparams = hyperparameters(config).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let start = SessionStartInfo { hparams, start_time_secs: seconds };
    summary(START_TAG, PluginMessage { version: 0, data: Some(Data::SessionStartInfo(start)) })
}

/// The summary that says that a run is over.
pub(super) fn session_end(seconds: f64) -> Value {
    let end = SessionEndInfo { status: Status::Success.into(), end_time_secs: seconds };
    summary(END_TAG, PluginMessage { version: 0, data: Some(Data::SessionEndInfo(end)) })
}

/// Returns a value that carries `message` for the plug-in `hparams` in its metadata.
fn summary(tag: &str, message: PluginMessage) -> Value {
    let plugin_data = PluginData { plugin_name: PLUGIN.to_owned(), content: message.encode_to_vec() };
    // TensorBoard wants a value and looks at none.
    let nothing = Tensor { dtype: FLOAT, shape: Some(TensorShape {}), float_val: vec![0.0] };
    Value {
        tag: tag.to_owned(),
        metadata: Some(Metadata { plugin_data: Some(plugin_data) }),
        value: Some(OneValue::Tensor(nothing)),
    }
}

impl From<hyperparameters::Value> for AnyValue {
    fn from(value: hyperparameters::Value) -> Self {
        let kind = match value {
            hyperparameters::Value::Number(number) => AnyKind::Number(number),
            hyperparameters::Value::Text(text) => AnyKind::Text(text),
            hyperparameters::Value::Flag(flag) => AnyKind::Flag(flag),
        };
        Self { kind: Some(kind) }
    }
}
