//! Who goes when: the largest account first, so that no worker is left alone with it at the end.

/// Orders indices of accounts by size, largest first; equal sizes keep their order.
pub fn largest_first(sizes: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(sizes[*index]));
    order
}

/// How long tasks take together, `at_once` side by side, the longest first.
pub fn time_together(times: &[u64], at_once: usize) -> u64 {
    let mut lanes = vec![0_u64; at_once.max(1)];
    for index in largest_first(times) {
        if let Some(idle) = lanes.iter_mut().min() {
            *idle = idle.saturating_add(times[index]);
        }
    }
    lanes.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{largest_first, time_together};

    #[test]
    fn side_by_side_the_longest_bounds() {
        assert_eq!(time_together(&[3, 9, 3, 3], 2), 9);
        assert_eq!(time_together(&[3, 9, 3, 3], 1), 18);
        assert_eq!(time_together(&[], 4), 0);
    }

    #[test]
    fn large_ones_lead() {
        assert_eq!(largest_first(&[5, 9, 9, 1]), [1, 2, 0, 3]);
        assert!(largest_first(&[]).is_empty());
    }
}
