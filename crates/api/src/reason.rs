//! The reasons that conditions give: a closed list, so that whoever words them misses none.

/// Declares the reasons, their list and their spelling in one place.
macro_rules! reasons {
    ($($(#[$about:meta])* $name:ident),+ $(,)?) => {
        /// Why a condition holds or does not: a CamelCase word for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$about])* $name),+
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As conditions, Events and metrics spell it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }
        }
    };
}

reasons! {
    // What is refused until somebody changes it.
    /// A field is wrong.
    InvalidSpec,
    /// The plan says something that is no figure.
    InvalidPlan,
    /// The plan does not exist.
    PlanNotFound,
    /// The region does not exist.
    RegionNotFound,
    /// Another space has the domain.
    DomainTaken,
    /// A namespace of this name was not opened for this object.
    NamespaceTaken,
    /// The volume cannot shrink.
    StorageShrinks,
    /// The storage does not make the volume larger.
    StorageNotGrown,
    /// Agents have addresses under a domain that the space has no more.
    AgentsWithoutDomain,
    /// A deletion came before the end of the notice.
    DeletionTooEarly,
    /// The accounts' Secret is missing or wrong.
    AccountsMissing,
    /// The namespace is no collectivity's.
    NotATenant,
    /// The space is not open yet.
    TenantNotReady,
    /// The space is suspended.
    TenantSuspended,
    /// The space ends.
    TenantTerminating,
    /// A cut-over can be rolled back no more.
    RollbackExpired,

    // What failed and is tried again.
    /// The API server refused a request.
    ApiServerRefused,
    /// The API server refused an object.
    ApplyRefused,
    /// The database does not answer.
    DatabaseUnreachable,
    /// The database refused.
    DatabaseRefused,
    /// The space's store has no door for migrations yet.
    DoorNotReady,
    /// Keys or certificates could not be made.
    KeysNotMade,
    /// An older object is still being deleted.
    ObjectLeaving,
    /// The mail pod is not ready.
    PodNotReady,
    /// The cluster refuses the mail pod: a LimitRange, a quota, a policy.
    PodForbidden,
    /// No node takes the mail pod.
    PodUnschedulable,
    /// An image cannot be had.
    ImageNotPulled,
    /// A server of the mail pod ends again and again.
    PodCrashes,
    /// The mail pod waits for something that does not come: a volume, a Secret.
    PodStuck,
    /// The mail volume has no room left.
    VolumeFull,
    /// The IMAP server was not heard.
    GreetingNotSeen,
    /// The test message was not accepted.
    DeliveryRefused,
    /// A proof could not be signed.
    ProofNotSigned,

    // What was made once and is gone: somebody must bring it back, or answer for its loss.
    /// The database is absent or empty.
    DatabaseLost,
    /// A published signing key is missing, unreadable or another.
    KeysLost,
    /// The volume with the mail is gone.
    VolumeLost,
    /// The key of the region's root is needed and is away.
    RootKeyNeeded,

    // What is kept as it was for now.
    /// A change of region or plan is tried on another space first.
    RolloutWaits,

    // How a space stands.
    /// The servers answer and accept mail.
    Serving,
    /// The space ends; its pods are gone.
    Terminating,
    /// Its data are being erased.
    Erasing,
    /// The notice runs.
    NoticeRuns,
    /// The notice is over.
    NoticeOver,
    /// Nothing was made for the object.
    NothingToErase,

    // How a migration stands.
    /// No window is open.
    Waiting,
    /// Paused on request.
    Paused,
    /// Mailboxes are being copied.
    Running,
    /// Everything was copied.
    Complete,
    /// It ended with exceptions.
    Partial,
    /// Nothing could be copied.
    Failed,
    /// The source still changes.
    Chasing,
    /// The space is the reference.
    CutOver,
    /// The source is the reference again.
    RolledBack,
}

impl Reason {
    /// The reason of this spelling; `None` for one of another version of the operator.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_again_by_its_spelling() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::parse("serving"), None);
    }
}
