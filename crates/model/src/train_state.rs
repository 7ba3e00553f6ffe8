//! The state of a training engine, and the checks that a state belongs to the networks of an engine.

use crate::{EngineError, Network, RecognizeError, StateDict, Tensor};

/// The state of one Adam optimizer, with PyTorch's names.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamState {
    /// Steps taken.
    pub step: u64,
    /// Mean of the gradients, by parameter name.
    pub exp_avg: StateDict,
    /// Mean of the squared gradients, by parameter name.
    pub exp_avg_sq: StateDict,
}

impl AdamState {
    /// Returns an optimizer that has taken no step.
    pub fn new(network: &Network) -> Self {
        let zeros: StateDict = network
            .tensors()
            .into_iter()
            .filter(|spec| spec.is_parameter)
            .map(|spec| (spec.name, Tensor::f32(spec.shape.clone(), vec![0.0; spec.shape.iter().product()])))
            .collect();
        Self { step: 0, exp_avg: zeros.clone(), exp_avg_sq: zeros }
    }
}

/// One network with its optimizer.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkState {
    /// Parameters and buffers by state_dict name.
    pub tensors: StateDict,
    /// The network's Adam.
    pub adam: AdamState,
}

/// The whole state of a training engine. An engine that loads it continues with the same bits.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainState {
    /// D and its Adam.
    pub discriminator: NetworkState,
    /// G and its Adam.
    pub generator: NetworkState,
    /// The moving average of G's parameters, if there is one.
    pub average: Option<StateDict>,
}

impl TrainState {
    /// Checks that the state belongs to these networks.
    ///
    /// # Errors
    /// [`EngineError::State`] names the first tensor that is missing or has another shape.
    pub fn check(&self, discriminator: &Network, generator: &Network) -> Result<(), EngineError> {
        discriminator.check_state(&self.discriminator)?;
        generator.check_state(&self.generator)?;
        self.average.as_ref().map_or(Ok(()), |average| generator.check_parameters(average, "average"))
    }
}

/// The checks of a state that an engine is to load.
impl Network {
    /// Checks that `state` is one of this network and its Adam.
    ///
    /// # Errors
    /// [`EngineError::State`] says which tensor does not fit.
    pub fn check_state(&self, state: &NetworkState) -> Result<(), EngineError> {
        let misfit = |error: RecognizeError| EngineError::State {
            name: format!("of the {}'s state", self.role),
            problem: error.to_string(),
        };
        self.check(&state.tensors).map_err(misfit)?;
        self.check_parameters(&state.adam.exp_avg, "Adam")?;
        self.check_parameters(&state.adam.exp_avg_sq, "Adam")
    }

    /// Checks that an engine can compute with `tensors` in the place of this network's own.
    ///
    /// # Errors
    /// [`EngineError::State`] says which tensor does not fit.
    pub fn check_tensors(&self, tensors: &StateDict) -> Result<(), EngineError> {
        self.check(tensors)
            .map_err(|error| EngineError::State { name: format!("of the {}", self.role), problem: error.to_string() })
    }

    /// Checks that `tensors`, which messages call `what` of this network, have the names and shapes of its parameters.
    ///
    /// # Errors
    /// [`EngineError::State`] names the first parameter that is missing or has another shape.
    pub fn check_parameters(&self, tensors: &StateDict, what: &str) -> Result<(), EngineError> {
        for spec in self.tensors().into_iter().filter(|spec| spec.is_parameter) {
            let fits = tensors.get(&spec.name).is_some_and(|t| t.shape == spec.shape && t.as_f32().is_some());
            if !fits {
                let name = format!("{} of the {}'s {what}", spec.name, self.role);
                return Err(EngineError::State { name, problem: "missing or of another shape".to_owned() });
            }
        }
        Ok(())
    }
}
