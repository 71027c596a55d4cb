//! Errors as one line for logs and conditions.

use std::error::Error;

use kube::runtime::controller;

/// The error and all its causes joined by `: `, each said once.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let said = source.to_string();
        // Some libraries repeat their source's message.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = source.source();
    }
    text
}

/// Logs what a controller met beside its objects, such as a watch that broke. What a reconciliation
/// failed of was logged where it happened.
pub fn log_outcome<T, E, Q>(name: &'static str, outcome: Result<T, controller::Error<E, Q>>)
where
    controller::Error<E, Q>: Error,
{
    match outcome {
        Ok(_)
        | Err(controller::Error::ReconcilerFailed(..) | controller::Error::ObjectNotFound(_)) => {}
        Err(error) => tracing::warn!(error = chain(&error), "{name} controller"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to knock")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_follow_what_they_caused() {
        let error = Outer(std::io::Error::other("nobody home"));
        assert_eq!(chain(&error), "failed to knock: nobody home");
    }
}
