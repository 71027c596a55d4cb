//! Why an object could not be applied, and whether that is the fault of its change alone.

/// Why an object could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The API server refused.
    #[error("failed to {verb} {kind} {name}")]
    Refused {
        /// `read` or `apply`.
        verb: &'static str,
        /// The kind.
        kind: String,
        /// The name.
        name: String,
        /// Whether the object is there, as it was before.
        stands: bool,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object of that name is there and somebody else's: what goes with a user's object is never
    /// one that was not made for it.
    #[error(
        "failed to apply {kind} {name}: an object of that name exists and was not made for this; remove it or use another name"
    )]
    Foreign {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
    /// The object is on its way out; it is made again once gone.
    #[error("failed to apply {kind} {name}: it is being deleted")]
    Leaving {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
}

impl ApplyError {
    /// Whether the API server refused a change of an object that stands as it was: the change itself
    /// is at fault, not the server nor the rights.
    pub fn keeps(&self) -> bool {
        let Self::Refused {
            stands: true,
            verb: "apply",
            source,
            ..
        } = self
        else {
            return false;
        };
        matches!(&**source, kube::Error::Api(status) if matches!(status.code, 403 | 422) && !lacks_right(source))
    }

    /// What the API server said, without what is around it.
    pub fn said(&self) -> String {
        match self {
            Self::Refused { source, .. } => match &**source {
                kube::Error::Api(status) => status.message.clone(),
                other => crate::errors::chain(other),
            },
            Self::Foreign { .. } | Self::Leaving { .. } => self.to_string(),
        }
    }

    /// The object, for people.
    pub fn object(&self) -> String {
        match self {
            Self::Refused { kind, name, .. }
            | Self::Foreign { kind, name }
            | Self::Leaving { kind, name } => {
                format!("{kind} {name}")
            }
        }
    }
}

/// Whether a 403 comes from the caller's rights: a quota, a policy or a storage that does not grow
/// answers 403 as well, and does not change its mind.
pub(super) fn lacks_right(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403 && status.message.contains(" cannot ")
        && status.message.contains("User \""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str, stands: bool) -> ApplyError {
        let mut status = kube::core::Status::failure(message, "Forbidden");
        status.code = code;
        ApplyError::Refused {
            verb: "apply",
            kind: "PersistentVolumeClaim".into(),
            name: "mail-data".into(),
            stands,
            source: Box::new(kube::Error::Api(Box::new(status))),
        }
    }

    #[test]
    fn only_a_refused_change_of_what_stands_is_kept() {
        let grows = "persistentvolumeclaims \"mail-data\" is forbidden: only dynamically provisioned pvc can be resized";
        assert!(refused(403, grows, true).keeps());
        assert!(
            refused(
                422,
                "spec: Forbidden: spec is immutable after creation",
                true
            )
            .keeps()
        );
        assert_eq!(refused(403, grows, true).said(), grows);
        assert!(!refused(403, grows, false).keeps(), "nothing stands");
        assert!(
            !refused(503, "etcdserver: leader changed", true).keeps(),
            "tried again"
        );
        let rights = "statefulsets.apps \"mail\" is forbidden: User \"system:serviceaccount:a:b\" cannot patch resource";
        assert!(
            !refused(403, rights, true).keeps(),
            "the operator lacks a right"
        );
    }
}
