//! The fixed binary tree that combines the results of shards, so that the bits do not depend on who computed which.

use std::ops::Range;

/// Calls `leaf(shard, out, scratch)` for every shard of a node, and adds the results in the order of the tree:
/// `add(left, right)` adds to the left one. `scratch` has room for [`depth`] times the length of `out`, and for what
/// `leaf` needs of it.
///
/// # Panics
/// If `scratch` is too short.
pub fn sum_in_tree(
    node: Range<usize>,
    out: &mut [f32],
    scratch: &mut [f32],
    leaf: &mut impl FnMut(usize, &mut [f32], &mut [f32]),
    add: &impl Fn(&mut [f32], &[f32]),
) {
    let Some(middle) = middle(&node) else { return leaf(node.start, out, scratch) };
    sum_in_tree(node.start..middle, out, scratch, leaf, add);
    let (right, scratch) = scratch.split_at_mut(out.len());
    sum_in_tree(middle..node.end, right, scratch, leaf, add);
    add(out, right);
}

/// Combines a value for each shard of a node in the order of the tree: `leaf(shard)` returns the value of a shard, and
/// `combine(left, right)` that of a subtree.
///
/// # Errors
/// The first error of `leaf` or `combine`.
pub fn fold_in_tree<T, E>(
    node: Range<usize>,
    leaf: &mut impl FnMut(usize) -> Result<T, E>,
    combine: &mut impl FnMut(T, T) -> Result<T, E>,
) -> Result<T, E> {
    let Some(middle) = middle(&node) else { return leaf(node.start) };
    let left = fold_in_tree(node.start..middle, leaf, combine)?;
    let right = fold_in_tree(middle..node.end, leaf, combine)?;
    combine(left, right)
}

/// Number of results that [`sum_in_tree`] has to keep beside its output, over `shards` shards.
pub fn depth(shards: usize) -> usize {
    shards.max(1).next_power_of_two().trailing_zeros() as usize
}

/// Returns where a node's right subtree begins; `None` for a single shard.
fn middle(node: &Range<usize>) -> Option<usize> {
    match node.len() {
        0 | 1 => None,
        len => Some(node.start + len.next_power_of_two() / 2),
    }
}

/// Appends the largest subtrees of `node` that lie within `own`.
pub(crate) fn push_nodes(nodes: &mut Vec<Range<usize>>, node: Range<usize>, own: &Range<usize>) {
    if own.start <= node.start && node.end <= own.end {
        nodes.push(node);
    } else if let Some(middle) = middle(&node).filter(|_| node.start < own.end && own.start < node.end) {
        push_nodes(nodes, node.start..middle, own);
        push_nodes(nodes, middle..node.end, own);
    }
}

/// Combines rows of `len` values, one for each of `parts`, which make up the node `whole`. The result is the first row.
pub(crate) fn merge<T>(
    whole: Range<usize>,
    parts: &[Range<usize>],
    rows: &mut [T],
    len: usize,
    combine: &mut impl FnMut(&mut [T], &[T]),
) {
    let Some(middle) = middle(&whole).filter(|_| parts.len() > 1) else { return };
    let left = parts.iter().take_while(|part| part.end <= middle).count();
    let (left_rows, right_rows) = rows.split_at_mut(left * len);
    merge(whole.start..middle, &parts[..left], left_rows, len, combine);
    merge(middle..whole.end, &parts[left..], right_rows, len, combine);
    combine(&mut left_rows[..len], &right_rows[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records the order of a sum as text.
    fn order(node: Range<usize>) -> String {
        match middle(&node) {
            None => node.start.to_string(),
            Some(middle) => format!("({}+{})", order(node.start..middle), order(middle..node.end)),
        }
    }

    #[test]
    fn the_left_subtree_has_the_largest_power_of_two() {
        let table = [(1, "0"), (2, "(0+1)"), (3, "((0+1)+2)"), (4, "((0+1)+(2+3))")];
        for (count, want) in table {
            assert_eq!(order(0..count), want);
        }
        assert_eq!(order(0..7), "(((0+1)+(2+3))+((4+5)+6))");
    }

    #[test]
    fn a_fold_keeps_the_order_and_ends_at_an_error() {
        let combine = &mut |left: String, right: String| Ok(format!("({left}+{right})"));
        for node in [0..1, 0..2, 2..5, 0..7, 4..11] {
            let folded = fold_in_tree::<_, usize>(node.clone(), &mut |shard| Ok(shard.to_string()), combine);
            assert_eq!(folded, Ok(order(node)));
        }
        let mut seen = Vec::new();
        let mut leaf = |shard| {
            seen.push(shard);
            if shard == 3 { Err(shard) } else { Ok(String::new()) }
        };
        assert_eq!(fold_in_tree(0..7, &mut leaf, combine), Err(3));
        assert_eq!(seen, [0, 1, 2, 3]);
    }

    #[test]
    fn nodes_make_up_the_tree_whatever_the_ranks() {
        for count in 1..20 {
            for ranks in 1..=count {
                let mut nodes = Vec::new();
                for rank in 0..ranks {
                    push_nodes(&mut nodes, 0..count, &(rank * count / ranks..(rank + 1) * count / ranks));
                }
                let mut names: Vec<Vec<String>> = nodes.iter().map(|node| vec![order(node.clone())]).collect();
                assert!(nodes.windows(2).all(|pair| pair[0].end == pair[1].start), "{nodes:?}");
                merge(0..count, &nodes, &mut names, 1, &mut |a, b| a[0] = vec![format!("({}+{})", a[0][0], b[0][0])]);
                assert_eq!(names[0][0], order(0..count), "{count} shards, {ranks} ranks");
            }
        }
    }

    #[test]
    fn a_sum_in_the_tree_keeps_the_order_and_its_scratch() {
        for count in 1..18 {
            let mut scratch = vec![f32::NAN; 2 * depth(count)];
            let (mut out, mut seen) = ([f32::NAN; 2], Vec::new());
            sum_in_tree(
                0..count,
                &mut out,
                &mut scratch,
                &mut |shard, out: &mut [f32], _: &mut [f32]| {
                    seen.push(shard);
                    out.fill(shard as f32 + 0.1);
                },
                &|a, b| a.iter_mut().zip(b).for_each(|(a, b)| *a += b),
            );
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
            let mut rows: Vec<f32> = (0..count).map(|shard| shard as f32 + 0.1).collect();
            let leaves: Vec<_> = (0..count).map(|shard| shard..shard + 1).collect();
            merge(0..count, &leaves, &mut rows, 1, &mut |a, b| a[0] += b[0]);
            assert_eq!(out, [rows[0]; 2], "{count} shards");
        }
    }
}
