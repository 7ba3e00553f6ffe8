//! Ranks as threads of one process, and the tests that training on several ranks gives the bits of training on one.
//!
//! In turns, one rank runs at a time: whenever a rank communicates, a seeded scheduler decides which rank goes on, so a
//! seed is an interleaving that can be repeated. Otherwise all run at once, each with a thread beside it that sums
//! gradients, and every call waits for a random time.

use crate::Subject;
use crate::{gradients, steps};
use dcgan_model::{
    Augmentation, DiscriminatorNorm, EngineError, Loss, ModelConfig, Recipe, StateDict, StepReport, TorchRng,
    TrainState, Transport, TransportError,
};
use dcgan_testkit::{assert_close, assert_close_scaled};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What a rank gives to a collective call.
#[derive(Debug, Clone, PartialEq)]
enum Contribution {
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bytes(Vec<u8>),
    /// Values with the number of them for each rank.
    Parts(Vec<f32>, Vec<usize>),
    Broadcast(Vec<u8>),
}

#[derive(Debug)]
struct State {
    rng: TorchRng,
    /// The rank that runs.
    turn: usize,
    /// Number of collective calls that each rank has started; `None` if it has ended.
    calls: Vec<Option<usize>>,
    /// What each rank has given to the call that it waits in.
    given: Vec<Option<Contribution>>,
    /// What all ranks have given to the last complete call. They have all read it before the next one is complete.
    complete: Vec<Contribution>,
    failure: Option<TransportError>,
}

/// How the ranks of a group run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// One at a time, in an order that depends on the seed alone.
    InTurns {
        /// Any number.
        seed: u64,
    },
    /// All at once, with delays. Gradients are summed on other threads.
    Together {
        /// Seed of the delays.
        seed: u64,
    },
}

/// The longest delay of a call, in microseconds.
const LONGEST_DELAY: u32 = 300;

#[derive(Debug)]
struct Group {
    ranks: usize,
    schedule: Schedule,
    state: Mutex<State>,
    changed: Condvar,
    /// The groups of the transports' duplicates, in the order in which each rank makes them.
    duplicates: Mutex<Vec<Arc<Group>>>,
}

/// One rank of a group of threads.
#[derive(Debug)]
struct ThreadTransport {
    rank: usize,
    group: Arc<Group>,
    /// Number of duplicates that this rank has made.
    duplicates: AtomicUsize,
}

impl Group {
    fn new(ranks: usize, schedule: Schedule) -> Self {
        let (Schedule::InTurns { seed } | Schedule::Together { seed }) = schedule;
        let mut rng = TorchRng::seed_from_u64(seed);
        let turn = rng.next_u32() as usize % ranks;
        let (calls, given) = (vec![Some(0); ranks], vec![None; ranks]);
        let state = State { rng, turn, calls, given, complete: Vec::new(), failure: None };
        Self { ranks, schedule, state: Mutex::new(state), changed: Condvar::new(), duplicates: Mutex::default() }
    }

    fn is_in_turns(&self) -> bool {
        matches!(self.schedule, Schedule::InTurns { .. })
    }

    /// Returns the group of each rank's duplicate of this number.
    fn duplicate(&self, number: usize) -> Arc<Self> {
        let mut duplicates = self.duplicates.lock().unwrap_or_else(PoisonError::into_inner);
        while duplicates.len() <= number {
            duplicates.push(Arc::new(Self::new(self.ranks, self.schedule)));
        }
        Arc::clone(&duplicates[number])
    }

    /// Takes down that a rank has ended, which is a failure if others wait for it or if it has panicked.
    fn end(&self, rank: usize, panicked: bool) {
        let mut state = self.lock();
        state.calls[rank] = None;
        if panicked {
            let _ = self.fail(&mut state, format!("rank {rank} has panicked"));
        } else if state.given.iter().any(Option::is_some) {
            let _ = self.fail(&mut state, format!("rank {rank} has ended"));
        }
        self.pass_turn(&mut state);
        drop(state);
        let duplicates = self.duplicates.lock().unwrap_or_else(PoisonError::into_inner);
        duplicates.iter().for_each(|group| group.end(rank, panicked));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a rank run that can: not one that waits for others in a call.
    fn pass_turn(&self, state: &mut State) {
        let can_run = |&rank: &usize| state.calls[rank].is_some() && state.given[rank].is_none();
        let ready: Vec<usize> = (0..self.ranks).filter(can_run).collect();
        if !ready.is_empty() {
            state.turn = ready[state.rng.next_u32() as usize % ready.len()];
        }
        self.changed.notify_all();
    }

    fn fail(&self, state: &mut State, message: String) -> TransportError {
        let error = state.failure.get_or_insert(TransportError(message)).clone();
        self.changed.notify_all();
        error
    }
}

impl ThreadTransport {
    /// Gives `given` to the next call and returns what all ranks have given to it.
    fn call(&self, given: Contribution) -> Result<Vec<Contribution>, TransportError> {
        let Self { rank, group, .. } = self;
        if !group.is_in_turns() {
            let delay = group.lock().rng.next_u32() % LONGEST_DELAY;
            thread::sleep(Duration::from_micros(delay.into()));
        }
        let mut state = group.lock();
        // All ranks have read the last call before any starts the next: a rank reads before it goes on.
        state.given[*rank] = Some(given);
        let call = state.calls[*rank].map_or(0, |calls| calls + 1);
        state.calls[*rank] = Some(call);
        if let Some(ended) = state.calls.iter().position(Option::is_none) {
            return Err(group.fail(&mut state, format!("rank {ended} has ended")));
        }
        if state.given.iter().all(Option::is_some) && state.calls.iter().all(|calls| *calls == Some(call)) {
            state.complete = state.given.iter_mut().filter_map(Option::take).collect();
        }
        group.pass_turn(&mut state);
        loop {
            if let Some(error) = &state.failure {
                return Err(error.clone());
            }
            let may_run = state.turn == *rank || !group.is_in_turns();
            if may_run && state.given[*rank].is_none() {
                return Ok(state.complete.clone());
            }
            state = group.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// As [`ThreadTransport::call`], of a gathering call whose values `of` finds.
    fn gather<T: Copy>(
        &self,
        given: Contribution,
        all: &mut [T],
        counts: &[usize],
        of: impl Fn(&Contribution) -> Option<&[T]>,
    ) -> Result<(), TransportError> {
        let mut rest = all;
        for (rank, (given, count)) in self.call(given)?.iter().zip(counts).enumerate() {
            let values = of(given).filter(|values| values.len() == *count);
            let values =
                values.unwrap_or_else(|| panic!("rank {rank} made another call: {given:?}, not {count} values"));
            let (own, others) = rest.split_at_mut(*count);
            own.copy_from_slice(values);
            rest = others;
        }
        assert!(rest.is_empty(), "{} values too many", rest.len());
        Ok(())
    }
}

impl Transport for ThreadTransport {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.group.ranks
    }

    fn gather_f32(&self, own: &[f32], all: &mut [f32], counts: &[usize]) -> Result<(), TransportError> {
        self.gather(Contribution::F32(own.to_vec()), all, counts, |given| match given {
            Contribution::F32(values) => Some(values),
            _ => None,
        })
    }

    fn gather_f64(&self, own: &[f64], all: &mut [f64], counts: &[usize]) -> Result<(), TransportError> {
        self.gather(Contribution::F64(own.to_vec()), all, counts, |given| match given {
            Contribution::F64(values) => Some(values),
            _ => None,
        })
    }

    fn gather_bytes(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), TransportError> {
        self.gather(Contribution::Bytes(own.to_vec()), all, counts, |given| match given {
            Contribution::Bytes(values) => Some(values),
            _ => None,
        })
    }

    fn exchange(
        &self,
        sent: &[f32],
        sent_counts: &[usize],
        received: &mut [f32],
        received_counts: &[usize],
    ) -> Result<(), TransportError> {
        assert_eq!(sent.len(), sent_counts.iter().sum::<usize>(), "values sent");
        self.gather(Contribution::Parts(sent.to_vec(), sent_counts.to_vec()), received, received_counts, |given| {
            match given {
                Contribution::Parts(values, counts) => {
                    let start = counts[..self.rank].iter().sum::<usize>();
                    Some(&values[start..start + counts[self.rank]])
                }
                _ => None,
            }
        })
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), TransportError> {
        let all = self.call(Contribution::Broadcast(bytes.to_vec()))?;
        assert!(
            all.iter().all(|given| matches!(given, Contribution::Broadcast(own) if own.len() == bytes.len())),
            "{all:?}"
        );
        if let Contribution::Broadcast(root) = &all[0] {
            bytes.copy_from_slice(root);
        }
        Ok(())
    }

    fn duplicate(&self) -> Option<Arc<dyn Transport>> {
        if self.group.is_in_turns() {
            return None;
        }
        let group = self.group.duplicate(self.duplicates.fetch_add(1, Ordering::Relaxed));
        Some(Arc::new(Self { rank: self.rank, group, duplicates: AtomicUsize::new(0) }))
    }
}

/// Runs `work` on `ranks` threads, each with the transport of its rank. Returns the results by rank.
///
/// # Panics
/// If a rank panics; the others then get a [`TransportError`] that names it.
pub fn on_ranks<R: Send>(ranks: usize, schedule: Schedule, work: impl Fn(Arc<dyn Transport>) -> R + Sync) -> Vec<R> {
    let group = Arc::new(Group::new(ranks, schedule));
    let run = |rank: usize| {
        let mut state = group.lock();
        while group.is_in_turns() && state.turn != rank && state.failure.is_none() {
            state = group.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let transport = ThreadTransport { rank, group: Arc::clone(&group), duplicates: AtomicUsize::new(0) };
        let result = catch_unwind(AssertUnwindSafe(|| work(Arc::new(transport))));
        group.end(rank, result.is_err());
        result
    };
    let results: Vec<_> = thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..ranks).map(|rank| scope.spawn(move || run(rank))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    results.into_iter().map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
}

/// Networks and a recipe that are trained on ranks.
#[derive(Debug, Clone, Copy)]
struct Case {
    config: ModelConfig,
    recipe: Recipe,
}

/// Every kind of sum over a batch.
fn cases(shards: usize) -> [Case; 4] {
    let tutorial = Recipe { shards, ..Recipe::default() };
    let spectral = ModelConfig { norm_d: DiscriminatorNorm::Spectral, ..steps::CONFIG };
    let penalties = Recipe { loss: Loss::Relativistic, r1: 0.5, r2: 0.25, ema: Some(0.9), augment: true, ..tutorial };
    [
        Case { config: steps::CONFIG, recipe: tutorial },
        Case { config: steps::CONFIG, recipe: Recipe { loss: Loss::LeastSquares, augment: true, ..tutorial } },
        Case { config: spectral, recipe: penalties },
        Case {
            config: ModelConfig { norm_d: DiscriminatorNorm::None, ..spectral },
            recipe: Recipe { loss: Loss::Hinge, r1: 0.5, ..tutorial },
        },
    ]
}

/// What a rank ends with.
#[derive(Debug, PartialEq)]
struct Outcome {
    state: TrainState,
    reports: Vec<StepReport>,
    calibrated: StateDict,
}

/// Trains two steps, the second on a short batch, and returns what comes of it.
fn outcome(subject: &dyn Subject, case: &Case, transport: Arc<dyn Transport>) -> Result<Outcome, EngineError> {
    let Case { config, recipe } = case;
    let mut engine = subject.distributed(config, *recipe, steps::BATCH, transport)?;
    engine.load_state(&steps::start_of(config))?;
    for step in 0..2 {
        let (images, [noise_d, noise_g]) = steps::batch(step);
        let reals = images.len() / config.image_len();
        let augment = |engine: &mut dyn dcgan_model::Engine, count: usize| {
            let each =
                |i: usize| Augmentation { brightness: i as f32 / 50.0, translation: [1, -2], ..Augmentation::NONE };
            let augmentations: Vec<Augmentation> = (0..count).map(each).collect();
            if recipe.augment { engine.set_augmentations(&augmentations) } else { Ok(()) }
        };
        if config.norm_d == DiscriminatorNorm::Batch {
            augment(&mut *engine, reals)?;
            engine.train_discriminator_real(&images)?;
            augment(&mut *engine, steps::BATCH)?;
            engine.train_discriminator_fake(&noise_d)?;
        } else {
            augment(&mut *engine, reals + steps::BATCH)?;
            engine.train_discriminator(&images, &noise_d)?;
        }
        augment(&mut *engine, steps::BATCH)?;
        engine.train_generator(&noise_g)?;
    }
    let mut reports = Vec::new();
    engine.take_reports(&mut reports)?;
    let state = engine.state()?;
    let noise = TorchRng::seed_from_u64(7).randn(2 * steps::BATCH * config.latent_dim);
    let calibrated = engine.calibrate(&state.generator.tensors, &noise)?;
    Ok(Outcome { state, reports, calibrated })
}

const ALONE: Schedule = Schedule::InTurns { seed: 0 };
/// Several interleavings of both kinds.
pub const SCHEDULES: [Schedule; 3] =
    [Schedule::InTurns { seed: 1 }, Schedule::InTurns { seed: 2 }, Schedule::Together { seed: 3 }];

/// Numbers of shards, each with the numbers of ranks that share them.
pub type Groups<'a> = &'a [(usize, &'a [usize])];

/// Groups in which the ranks have one shard or several, as many or not, and one node of the tree or several. With 9
/// ranks and a short batch of 7 images some ranks have none.
pub const ALL_GROUPS: Groups<'_> = &[(2, &[2]), (5, &[2, 3, 4]), (9, &[4, 9])];

/// The same shards on one rank and on several, on every rank and in every interleaving: the same bits.
pub fn ranks_change_no_bit(subject: &dyn Subject, groups: Groups<'_>, schedules: &[Schedule]) {
    for &(shards, ranks) in groups {
        for case in cases(shards) {
            let alone = on_ranks(1, ALONE, |transport| outcome(subject, &case, transport)).remove(0).unwrap();
            for (&ranks, &schedule) in ranks.iter().flat_map(|ranks| schedules.iter().map(move |each| (ranks, each))) {
                let outcomes = on_ranks(ranks, schedule, |transport| outcome(subject, &case, transport));
                for (rank, outcome) in outcomes.into_iter().enumerate() {
                    let name = format!("{}, {case:?}, rank {rank} of {ranks}, {schedule:?}", subject.name());
                    let outcome = outcome.unwrap();
                    assert!(outcome.reports == alone.reports, "{name}: {:?}, {:?}", outcome.reports, alone.reports);
                    assert!(outcome.state == alone.state, "the state differs: {name}");
                    assert!(outcome.calibrated == alone.calibrated, "calibrated statistics differ: {name}");
                }
            }
        }
    }
}

/// What a rank finds in a first step whose Adam changes next to nothing: else the discriminator's change, which
/// amplifies rounding errors of small gradients, would be in the generator's.
struct FirstStep {
    gradients: [StateDict; 2],
    reports: Vec<StepReport>,
    state: TrainState,
}

fn first_step(subject: &dyn Subject, case: &Case, transport: Arc<dyn Transport>) -> FirstStep {
    let Case { config, mut recipe } = *case;
    (recipe.discriminator.lr, recipe.generator.lr, recipe.augment) = (1e-12, 1e-12, false);
    let mut engine = subject.distributed(&config, recipe, steps::BATCH, transport).unwrap();
    engine.load_state(&steps::start_of(&config)).unwrap();
    let (images, [noise_d, noise_g]) = steps::batch(1);
    match config.norm_d {
        DiscriminatorNorm::Batch => engine.train_discriminator_real(&images).unwrap(),
        _ => engine.train_discriminator(&images, &noise_d).unwrap(),
    }
    engine.train_generator(&noise_g).unwrap();
    let mut reports = Vec::new();
    engine.take_reports(&mut reports).unwrap();
    FirstStep { gradients: engine.gradients().unwrap(), reports, state: engine.state().unwrap() }
}

/// Ranks of one engine compute what another engine computes on one rank with the same shards.
pub fn ranks_agree_with_another_engine(subject: &dyn Subject, ranks: usize, other: &dyn Subject) {
    for case in cases(3) {
        let alone = on_ranks(1, ALONE, |transport| first_step(other, &case, transport)).remove(0);
        let steps = on_ranks(ranks, SCHEDULES[0], |transport| first_step(subject, &case, transport));
        for (rank, step) in steps.iter().enumerate() {
            let name = format!("{}, {case:?}, rank {rank} of {ranks}", subject.name());
            for (got, want) in step.gradients.iter().zip(&alone.gradients) {
                assert_tensors_close(&format!("{name}, gradient of"), got, want, gradients::TOLERANCE);
            }
            for (got, want) in [
                (&step.state.discriminator.tensors, &alone.state.discriminator.tensors),
                (&step.state.generator.tensors, &alone.state.generator.tensors),
            ] {
                assert_tensors_close(&name, got, want, gradients::TOLERANCE);
            }
            assert_eq!(step.reports.len(), alone.reports.len(), "{name}");
            for (got, want) in step.reports.iter().zip(&alone.reports) {
                let values = |report: &StepReport| [report.loss, report.mean_output];
                assert_close(&format!("{name}, report"), &values(got), &values(want), gradients::LOSS_TOLERANCE, 0.0);
                let norms = [got, want].map(|report| report.gradient_norm.into_iter().collect::<Vec<_>>());
                assert_close_scaled(&format!("{name}, norm"), &norms[0], &norms[1], gradients::TOLERANCE);
            }
        }
    }
}

/// Asserts that tensors agree, in units of the largest value of each, and at least of the spacing of numbers at 1.
fn assert_tensors_close(what: &str, got: &StateDict, want: &StateDict, tolerance: f64) {
    assert!(got.keys().eq(want.keys()), "{what}: {:?}, {:?}", got.keys(), want.keys());
    for (name, want) in want {
        match (got[name].as_f32(), want.as_f32()) {
            (Some(got), Some(want)) => {
                let largest = want.iter().fold(0.0, |largest, value| value.abs().max(largest));
                // The relativistic loss has no gradient in the last bias, as in the comparison with f64.
                let atol = (tolerance * f64::from(largest)).max(f64::from(f32::EPSILON));
                assert_close(&format!("{what} {name}"), got, want, atol, 0.0);
            }
            _ => assert_eq!(got[name], *want, "{what} {name}"),
        }
    }
}

/// More ranks than shards are refused, and a rank that fails ends the others with an error that names it.
pub fn failures_of_ranks_are_errors(subject: &dyn Subject) {
    let case = Case { recipe: Recipe { shards: 2, ..Recipe::default() }, config: steps::CONFIG };
    for result in on_ranks(3, SCHEDULES[0], |transport| outcome(subject, &case, transport)) {
        assert_eq!(result.unwrap_err(), EngineError::Shards { shards: 2, ranks: 3 });
    }
    for schedule in SCHEDULES {
        let results = on_ranks(2, schedule, |transport| match transport.rank() {
            0 => Some(outcome(subject, &case, transport).unwrap_err().to_string()),
            _ => None,
        });
        assert_eq!(results[0].as_deref(), Some("communication between ranks failed: rank 1 has ended"));
    }
    // It ends while others wait for its gradients.
    for seed in 0..8 {
        let results = on_ranks(2, Schedule::Together { seed }, |transport| match transport.rank() {
            0 => Some(outcome(subject, &case, transport).unwrap_err().to_string()),
            _ => {
                let mut engine = subject.distributed(&case.config, case.recipe, steps::BATCH, transport).unwrap();
                engine.load_state(&steps::start_of(&case.config)).unwrap();
                engine.train_discriminator_real(&steps::batch(0).0).unwrap();
                None
            }
        });
        assert_eq!(results[0].as_deref(), Some("communication between ranks failed: rank 1 has ended"));
    }
}
