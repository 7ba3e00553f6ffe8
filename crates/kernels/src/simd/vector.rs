//! The trait that kernels are written against.

/// The most values in a vector of any instruction set.
pub(crate) const MAX_LANES: usize = 16;

/// A vector unit.
///
/// # Safety
/// Values must exist only on CPUs that have the instructions: whoever holds one may execute them.
pub(crate) unsafe trait Simd: Copy + Send + Sync + 'static {
    /// A vector of [`Simd::LANES`] values.
    type V: Copy;
    /// Values per vector.
    const LANES: usize;
    /// Vectors per row of a register tile of [`crate::matmul`]. With [`Simd::TILE_ROWS`] it fills the registers:
    /// accumulators, one row of the right side and one broadcast value.
    const TILE_VECTORS: usize;
    /// Number of rows of a register tile.
    const TILE_ROWS: usize;

    /// Reads a vector.
    ///
    /// # Safety
    /// `LANES` values must be readable at `ptr`; no alignment is needed.
    unsafe fn load(self, ptr: *const f32) -> Self::V;
    /// Writes a vector.
    ///
    /// # Safety
    /// `LANES` values must be writable at `ptr`; no alignment is needed.
    unsafe fn store(self, ptr: *mut f32, v: Self::V);
    /// Reads one value into all lanes.
    ///
    /// # Safety
    /// A value must be readable at `ptr`.
    unsafe fn load_splat(self, ptr: *const f32) -> Self::V;
    /// Reads LANES rows of LANES values, `stride` apart, and puts the columns into the first of `columns`.
    ///
    /// # Safety
    /// All of it must be readable.
    #[inline(always)]
    unsafe fn load_transposed(self, columns: &mut [Self::V; MAX_LANES], ptr: *const f32, stride: usize) {
        for (i, column) in columns.iter_mut().enumerate().take(Self::LANES) {
            let mut values = [0.0f32; MAX_LANES];
            for (row, value) in values.iter_mut().enumerate().take(Self::LANES) {
                // SAFETY: handed on to the caller.
                *value = unsafe { *ptr.add(row * stride + i) };
            }
            // SAFETY: no vector is longer than MAX_LANES.
            *column = unsafe { self.load(values.as_ptr()) };
        }
    }
    /// Asks for the cache line at `ptr`, which need not be valid.
    fn prefetch(self, ptr: *const f32);
    /// Returns all lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, fused where the instruction set can
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a where `condition` > 0, else b
    fn where_positive(self, condition: Self::V, a: Self::V, b: Self::V) -> Self::V;
}
