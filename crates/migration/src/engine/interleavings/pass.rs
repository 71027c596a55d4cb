//! One pass as the engine makes it, over the model's source and a target that may die.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::World;
use super::mortal::{Loss, Mortal, bytes, set};
use crate::engine::batch::Caution;
use crate::engine::carry::flag_changes;
use crate::engine::folder::{self, FolderRun};
use crate::engine::options::Options;
use crate::engine::plan::plan;
use crate::engine::unsynced;
use crate::engine::writer::{Parts, Writer};
use crate::error::MigrationError;
use crate::journal::{Journal, Record};
use crate::model::Uid;
use crate::payload::Payload;
use crate::progress::Silent;
use crate::source::{Delivery, Item};
use crate::target::Target;

impl World {
    /// One pass as the engine makes it; an error is the kill.
    pub(super) async fn pass(
        &self,
        state: &Path,
        steps: u32,
        stores_when_dying: bool,
    ) -> Result<(), String> {
        let target = Mortal {
            steps,
            stores_when_dying,
            ..self.immortal()
        };
        self.carry(state, target).await
    }

    /// The same while the target's power fails at a step.
    pub(super) async fn pass_of_failing_power(
        &self,
        state: &Path,
        at: u32,
        loss: Loss,
    ) -> Result<(), String> {
        let target = Mortal {
            power: Some((at, loss)),
            ..self.immortal()
        };
        self.carry(state, target).await
    }

    fn immortal(&self) -> Mortal {
        Mortal {
            server: Arc::clone(&self.target),
            disk: self.disk.clone(),
            power: None,
            connection: 1,
            broken: false,
            steps: u32::MAX,
            stores_when_dying: false,
            tells_uids: self.tells_uids,
            waiting: VecDeque::new(),
        }
    }

    async fn carry(&self, state: &Path, mut target: Mortal) -> Result<(), String> {
        let mut journal = Journal::open(state).map_err(told)?;
        let folder = self.surveyed();
        let plan = plan(&folder, journal.state(), None);
        let at_target = target.now();
        let opened = folder::open(&mut target, &mut journal, folder, plan, at_target).await;
        let mut run = opened.map_err(|_| "killed".to_owned())?;
        let caution = Caution {
            mend_flags: journal.state().interrupted,
            ..Caution::default()
        };
        journal.append(vec![Record::Opened]).map_err(told)?;
        carry_flags(&mut target, &mut journal, &mut run).await?;
        self.write(&mut target, &mut journal, run, caution).await?;
        journal.append(vec![Record::Closed]).map_err(told)
    }

    async fn write(
        &self,
        target: &mut Mortal,
        journal: &mut Journal,
        run: FolderRun,
        caution: Caution,
    ) -> Result<(), String> {
        let deliveries = self.deliveries(&run)?;
        let (finished, _verifier) = mpsc::unbounded_channel();
        let (options, stop) = (Options::default(), CancellationToken::new());
        let mut exceptions = Vec::new();
        let parts = Parts {
            account: 0,
            user: "u",
            options: &options,
            target,
            journal,
            folders: &mut vec![run],
            progress: &Silent,
            exceptions: &mut exceptions,
            finished: &finished,
            stop: &stop,
            caution,
            connection: 1,
            views: None,
        };
        let written = Writer::new(parts).write(deliveries).await;
        written.map_err(told)?;
        assert!(exceptions.is_empty(), "{exceptions:?}");
        Ok(())
    }

    /// What the source delivers of what the plan asks for.
    fn deliveries(&self, run: &FolderRun) -> Result<mpsc::Receiver<Delivery>, String> {
        let (out, deliveries) = mpsc::channel(run.plan.uids.len() + 1);
        let all = run.plan.uids.iter().map(|uid| self.delivery(*uid));
        for delivery in all.chain([Delivery::FolderEnd(0)]) {
            out.try_send(delivery).map_err(|error| error.to_string())?;
        }
        Ok(deliveries)
    }

    fn delivery(&self, uid: Uid) -> Delivery {
        let Some((content, flags)) = self.source.mail.get(&uid) else {
            return Delivery::Vanished(0, uid);
        };
        let item = Item {
            uid,
            flags: set(flags),
            date: None,
            payload: Payload::from_bytes(bytes(*content).into()),
        };
        Delivery::Item(0, item)
    }
}

async fn carry_flags(
    target: &mut Mortal,
    journal: &mut Journal,
    run: &mut FolderRun,
) -> Result<(), String> {
    let work = std::mem::take(&mut run.plan.flags);
    let changes = flag_changes(&work);
    let ended = target.change_flags("A", &changes).await;
    ended.map_err(|error| error.to_string())?;
    if !changes.is_empty() {
        let passed = unsynced::barrier(target, 1).await;
        passed.map_err(|error| error.to_string())?;
    }
    let carried = work.into_iter();
    let carried = carried.map(|one| Record::Flags(run.id, one.source_uid, one.now));
    journal.append(carried.collect()).map_err(told)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn told(error: MigrationError) -> String {
    error.chain()
}
