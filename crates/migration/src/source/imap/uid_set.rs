//! UID sets as IMAP writes them.

use crate::model::Uid;

/// Writes UIDs as `1:3,7`.
pub(crate) fn uid_set(uids: &[Uid]) -> String {
    let mut out = String::new();
    let mut rest = uids;
    while let Some(first) = rest.first() {
        let mut length = 1;
        while rest
            .get(length)
            .is_some_and(|uid| *uid == rest[length - 1].wrapping_add(1))
        {
            length += 1;
        }
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&first.to_string());
        if length > 1 {
            out.push(':');
            out.push_str(&rest[length - 1].to_string());
        }
        rest = &rest[length..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uid_set;

    #[test]
    fn sets_are_short() {
        assert_eq!(uid_set(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(uid_set(&[u32::MAX]), "4294967295");
        assert_eq!(uid_set(&[]), "");
    }
}
