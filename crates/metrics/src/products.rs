//! Products of row-major matrices, computed by the kernels' convolution with a kernel of one pixel.

use dcgan_kernels::Cpu;
use dcgan_kernels::conv::{Algorithm, ConvArgs, ConvPlan, ConvShape, Plane};
use dcgan_kernels::epilogue::Epilogue;
use dcgan_kernels::input::InputView;

/// A matrix product with a fixed right side: (`rows` × `inner`) · (`inner` × `columns`).
#[derive(Debug)]
pub(crate) struct Product {
    plan: ConvPlan,
    right: Vec<f32>,
    scratch: Vec<f32>,
    inner: usize,
    columns: usize,
}

impl Product {
    /// Plans products of up to `max_rows` rows with the row-major matrix `right`.
    pub(crate) fn new(cpu: &Cpu, right: Vec<f32>, inner: usize, max_rows: usize) -> Self {
        let columns = right.len() / inner;
        assert_eq!(right.len(), inner * columns, "rows of {inner}");
        let pixel = |channels| Plane { height: 1, width: 1, channels };
        let shape = ConvShape::new(pixel(inner), columns, 1, 1, 0);
        let plan = ConvPlan::with_algorithm(cpu, shape, max_rows, Algorithm::Direct);
        let scratch = vec![0.0; plan.scratch_len()];
        Self { plan, right, scratch, inner, columns }
    }

    /// Computes `out` = `left` · right.
    pub(crate) fn multiply(&mut self, out: &mut [f32], left: &[f32]) {
        let rows = left.len() / self.inner;
        let args = ConvArgs {
            input: InputView::Plain(left),
            weight: &self.right,
            epilogue: Epilogue::Identity,
            batch: rows,
            scratch: &mut self.scratch,
        };
        self.plan.forward(&mut out[..rows * self.columns], args);
    }
}

/// Transposes a row-major matrix with rows of `columns` values.
pub(crate) fn transpose(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns;
    let mut out = vec![0.0; values.len()];
    for (row, values) in values.chunks_exact(columns).enumerate() {
        for (column, value) in values.iter().enumerate() {
            out[column * rows + row] = *value;
        }
    }
    out
}
