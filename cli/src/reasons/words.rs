//! The words of each reason.

use melouvert_api::Reason;

use super::{Adds, Words};

/// What is the case, then what to do where somebody has to.
pub(super) const WORDS: [Words; 40] = [
    (
        Reason::InvalidSpec,
        "un champ est incorrect : corrigez-le",
        "a field is wrong: correct it",
        Adds::Fields,
    ),
    (
        Reason::InvalidPlan,
        "l'offre est mal définie : l'hébergeur doit la corriger",
        "the plan is ill-defined: the hoster must correct it",
        Adds::Fields,
    ),
    (
        Reason::PlanNotFound,
        "l'offre n'existe pas : créez-la ou nommez-en une autre",
        "the plan does not exist: create it or name another",
        Adds::Fields,
    ),
    (
        Reason::RegionNotFound,
        "la région n'existe pas : créez-la ou nommez-en une autre",
        "the region does not exist: create it or name another",
        Adds::Fields,
    ),
    (
        Reason::DomainTaken,
        "un domaine est déjà pris par un autre espace : retirez-le ou demandez à l'hébergeur",
        "another space has a domain already: remove it or ask the hoster",
        Adds::Fields,
    ),
    (
        Reason::NamespaceTaken,
        "l'espace de noms existe et n'est pas à cette collectivité : l'hébergeur doit le retirer ou le rétablir",
        "the namespace exists and is not this collectivity's: the hoster must remove or restore it",
        Adds::Fields,
    ),
    (
        Reason::StorageShrinks,
        "le volume ne peut pas rétrécir : demandez au moins sa taille actuelle",
        "the volume cannot shrink: ask for its present size at least",
        Adds::Fields,
    ),
    (
        Reason::AccountsMissing,
        "la liste des comptes manque ou est incorrecte : corrigez le Secret",
        "the list of accounts is missing or wrong: correct the Secret",
        Adds::Fields,
    ),
    (
        Reason::NotATenant,
        "cet espace de noms n'est pas celui d'une collectivité : créez la migration dans col-<siren>",
        "this namespace is no collectivity's: create the migration in col-<siren>",
        Adds::Fields,
    ),
    (
        Reason::TenantNotReady,
        "l'espace n'est pas encore prêt : attendez qu'il le soit",
        "the space is not open yet: wait until it is",
        Adds::Fields,
    ),
    (
        Reason::TenantSuspended,
        "l'espace est suspendu : reprenez-le d'abord",
        "the space is suspended: resume it first",
        Adds::Fields,
    ),
    (
        Reason::TenantTerminating,
        "la fin de l'espace est demandée : annulez-la d'abord",
        "the space ends: ask it back first",
        Adds::Fields,
    ),
    (
        Reason::RollbackExpired,
        "le délai de retour en arrière est passé : remettez l'étape à Cutover",
        "the time for a roll-back is over: set the stage back to Cutover",
        Adds::Fields,
    ),
    (
        Reason::ApiServerRefused,
        "le serveur Kubernetes a refusé une demande de l'opérateur, qui réessaie",
        "the Kubernetes server refused a request of the operator, which tries again",
        Adds::Cause,
    ),
    (
        Reason::ApplyRefused,
        "le serveur Kubernetes a refusé un objet de l'espace ; l'opérateur réessaie",
        "the Kubernetes server refused an object of the space; the operator tries again",
        Adds::Cause,
    ),
    (
        Reason::DatabaseUnreachable,
        "la base de données ne répond pas ; l'opérateur réessaie",
        "the database does not answer; the operator tries again",
        Adds::Cause,
    ),
    (
        Reason::DatabaseRefused,
        "la base de données a refusé une demande ; l'opérateur réessaie",
        "the database refused a request; the operator tries again",
        Adds::Cause,
    ),
    (
        Reason::DoorNotReady,
        "l'entrée réservée aux migrations n'est pas encore prête ; l'opérateur réessaie",
        "the door for migrations is not ready yet; the operator tries again",
        Adds::Nothing,
    ),
    (
        Reason::KeysNotMade,
        "les clés et certificats n'ont pas pu être préparés ; l'opérateur réessaie",
        "keys and certificates could not be made; the operator tries again",
        Adds::Cause,
    ),
    (
        Reason::ObjectLeaving,
        "un ancien objet est en cours de suppression",
        "an older object is still being deleted",
        Adds::Nothing,
    ),
    (
        Reason::PodNotReady,
        "les serveurs de messagerie démarrent",
        "the mail servers are starting",
        Adds::Nothing,
    ),
    (
        Reason::GreetingNotSeen,
        "le serveur IMAP ne répond pas encore avec le certificat attendu",
        "the IMAP server does not answer with the expected certificate yet",
        Adds::Cause,
    ),
    (
        Reason::DeliveryRefused,
        "le serveur n'accepte pas encore le message d'essai",
        "the server does not accept the test message yet",
        Adds::Cause,
    ),
    (
        Reason::ProofNotSigned,
        "la preuve n'a pas pu être signée ; l'opérateur réessaie",
        "the proof could not be signed; the operator tries again",
        Adds::Cause,
    ),
    (
        Reason::Serving,
        "les serveurs répondent et acceptent le courrier",
        "the servers answer and accept mail",
        Adds::Nothing,
    ),
    (
        Reason::Terminating,
        "l'espace est fermé, ses données sont gardées",
        "the space is closed, its data are kept",
        Adds::Instant("effacement possible à partir du", "they may be erased from"),
    ),
    (
        Reason::Erasing,
        "effacement des données en cours",
        "the data are being erased",
        Adds::Nothing,
    ),
    (
        Reason::DeletionTooEarly,
        "suppression demandée avant la fin du préavis : les données sont gardées",
        "deletion was asked before the end of the notice: the data are kept",
        Adds::Instant("effacement possible à partir du", "they may be erased from"),
    ),
    (
        Reason::NoticeRuns,
        "le préavis de fin court",
        "the notice runs",
        Adds::Instant(
            "effacement possible à partir du",
            "the data may be erased from",
        ),
    ),
    (
        Reason::NoticeOver,
        "le préavis est passé : les données peuvent être effacées",
        "the notice is over: the data may be erased",
        Adds::Instant("depuis le", "since"),
    ),
    (
        Reason::NothingToErase,
        "rien n'a été créé pour cet objet : il peut être supprimé",
        "nothing was made for this object: it may be deleted",
        Adds::Nothing,
    ),
    (
        Reason::Waiting,
        "aucune plage horaire n'est ouverte",
        "no window is open",
        Adds::Instant("prochaine :", "the next opens at"),
    ),
    (
        Reason::Paused,
        "en pause sur demande : melouvert migrate resume",
        "paused on request: melouvert migrate resume",
        Adds::Nothing,
    ),
    (
        Reason::Running,
        "copie des boîtes en cours",
        "mailboxes are being copied",
        Adds::Nothing,
    ),
    (
        Reason::Complete,
        "tout est copié : voyez la preuve",
        "everything was copied: see the proof",
        Adds::Nothing,
    ),
    (
        Reason::Partial,
        "terminée avec des absents : voyez la preuve, puis melouvert migrate retry",
        "it ended with exceptions: see the proof, then melouvert migrate retry",
        Adds::Nothing,
    ),
    (
        Reason::Failed,
        "aucun compte n'a pu être copié : voyez la preuve, puis melouvert migrate retry",
        "no account could be copied: see the proof, then melouvert migrate retry",
        Adds::Nothing,
    ),
    (
        Reason::Chasing,
        "l'ancien serveur change encore : arrêtez ce qui y écrit, puis melouvert migrate cutover --source-frozen",
        "the source still changes: stop what writes to it, then melouvert migrate cutover --source-frozen",
        Adds::Nothing,
    ),
    (
        Reason::CutOver,
        "basculée : l'espace fait référence, tout y est prouvé",
        "cut over: the space is the reference, everything is proven to be there",
        Adds::Instant(
            "retour en arrière possible jusqu'au",
            "it may be rolled back until",
        ),
    ),
    (
        Reason::RolledBack,
        "l'ancien serveur fait de nouveau référence ; rien n'est effacé dans l'espace",
        "the source is the reference again; nothing was deleted in the space",
        Adds::Nothing,
    ),
];
