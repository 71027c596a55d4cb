//! Who goes when: the largest account first, so that no worker is left alone with it at the end.

/// Orders indices of accounts by size, largest first; equal sizes keep their order.
pub fn largest_first(sizes: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(sizes[*index]));
    order
}

#[cfg(test)]
mod tests {
    use super::largest_first;

    #[test]
    fn large_ones_lead() {
        assert_eq!(largest_first(&[5, 9, 9, 1]), [1, 2, 0, 3]);
        assert!(largest_first(&[]).is_empty());
    }
}
