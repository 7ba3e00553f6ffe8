//! A run's settings for TensorBoard's page HPARAMS, which compares the runs of a folder by them.
//!
//! A summary without a value of its own carries a message of the plugin in its metadata. Sources:
//! `tensorboard/plugins/hparams/{plugin_data,api}.proto`, `summary_v2.py`; `google/protobuf/struct.proto`.

use super::{OneValue, Value};
use crate::TrainConfig;
use crate::hyperparameters::{self, hyperparameters};
use prost::Message;
use std::collections::BTreeMap;

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

/// `tensorflow.SummaryMetadata`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    #[prost(message, optional, tag = "1")]
    plugin_data: Option<PluginData>,
}

/// `tensorflow.SummaryMetadata.PluginData`.
#[derive(Clone, PartialEq, Message)]
struct PluginData {
    #[prost(string, tag = "1")]
    plugin_name: String,
    #[prost(bytes = "vec", tag = "2")]
    content: Vec<u8>,
}

/// `tensorflow.TensorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShape>,
    #[prost(float, repeated, tag = "5")]
    float_val: Vec<f32>,
}

/// `tensorflow.TensorShapeProto` of a scalar.
#[derive(Clone, PartialEq, Message)]
struct TensorShape {}

/// `tensorboard.hparams.HParamsPluginData`.
#[derive(Clone, PartialEq, Message)]
struct PluginMessage {
    #[prost(int32, tag = "1")]
    version: i32,
    #[prost(oneof = "Data", tags = "3, 4")]
    data: Option<Data>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Data {
    #[prost(message, tag = "3")]
    SessionStartInfo(SessionStartInfo),
    #[prost(message, tag = "4")]
    SessionEndInfo(SessionEndInfo),
}

/// `tensorboard.hparams.SessionStartInfo`.
#[derive(Clone, PartialEq, Message)]
struct SessionStartInfo {
    #[prost(btree_map = "string, message", tag = "1")]
    hparams: BTreeMap<String, AnyValue>,
    #[prost(double, tag = "5")]
    start_time_secs: f64,
}

/// `tensorboard.hparams.SessionEndInfo`.
#[derive(Clone, PartialEq, Message)]
struct SessionEndInfo {
    #[prost(enumeration = "Status", tag = "1")]
    status: i32,
    #[prost(double, tag = "2")]
    end_time_secs: f64,
}

/// `tensorboard.hparams.Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum Status {
    Unknown = 0,
    Success = 1,
}

/// `google.protobuf.Value`.
#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "AnyKind", tags = "2, 3, 4")]
    kind: Option<AnyKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum AnyKind {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Flag(bool),
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
