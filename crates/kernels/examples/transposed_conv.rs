//! The tutorial's transposed convolution: a 2 × 2 image becomes 4 × 4, each pixel a scaled copy of the kernel.
//!
//! `cargo run --example transposed_conv`

use dcgan_kernels::conv::{ConvArgs, ConvPlan, ConvShape, Plane};
use dcgan_kernels::epilogue::Epilogue;
use dcgan_kernels::input::InputView;
use dcgan_kernels::{Cpu, Isa};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let picture = [1.0, 0.0, 2.0, 3.0];
    let kernel = [2.0, 3.0, 4.0, 5.0];

    // nn.ConvTranspose2d(1, 1, kernel_size=2, stride=2, bias=False)
    let shape = ConvShape::transposed(Plane { height: 2, width: 2, channels: 1 }, 1, 2, 2, 0);
    let cpu = Cpu::new(Isa::select()?, 1)?;
    let plan = ConvPlan::new(&cpu, shape, 1);
    let mut scratch = vec![0.0; plan.scratch_len()];
    let mut output = vec![0.0; shape.big.len()];
    let args = ConvArgs {
        input: InputView::Plain(&picture),
        weight: &kernel,
        epilogue: Epilogue::Identity,
        batch: 1,
        scratch: &mut scratch,
    };
    plan.adjoint(&mut output, args);

    print_matrix("picture", &picture, 2);
    print_matrix("kernel", &kernel, 2);
    print_matrix("transposed convolution with stride 2", &output, shape.big.width);
    Ok(())
}

fn print_matrix(name: &str, values: &[f32], width: usize) {
    println!("{name}:");
    for row in values.chunks(width) {
        println!("  {row:?}");
    }
}
