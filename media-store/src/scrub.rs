//! Reading all objects again in the background, at a set rate.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::catalog::{self, ObjectRow};
use crate::tree::GROUP_BYTES;
use crate::verify::{check_whole, group_len, groups, is_group_sound};
use crate::{Digest, Fault, FaultKind, Store, StoreError};

/// What one step of the scrub read and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrubStep {
    /// Bytes read.
    pub bytes: u64,
    /// Objects read to their end.
    pub objects: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Whether the last object has been read; the next step begins anew.
    pub is_round_over: bool,
}

impl Store {
    /// Reads about `bytes_max` bytes from where the last step ended, also one of an earlier
    /// process. It reads at least one group; a large object without a sound tree is read whole.
    ///
    /// # Errors
    /// Errors of the catalog.
    pub fn scrub_step(&self, bytes_max: u64) -> Result<ScrubStep, StoreError> {
        let mut cursor = self
            .catalog()
            .read(|catalog| catalog::mark(catalog, CURSOR))?
            .map_or(Cursor::default(), |bytes| Cursor::from_bytes(&bytes));
        let mut step = ScrubStep::default();
        while step.bytes < bytes_max {
            let Some(row) = self.object_at(&cursor)? else {
                cursor = Cursor::default();
                step.is_round_over = true;
                break;
            };
            // The object it stood in may have been collected.
            let first = if cursor.digest == Some(row.digest) { cursor.group } else { 0 };
            cursor = self.scrub_object(&row, first, bytes_max, &mut step)?;
        }
        let bytes = cursor.to_bytes();
        self.catalog().write(move |catalog| catalog::set_mark(catalog, CURSOR, &bytes))?;
        Ok(step)
    }

    /// Scrubs at the configuration's rate until `stop` brings a message or is closed, round after
    /// round; `found` is told what is wrong. Returns at once if the rate is 0. For a thread of its
    /// own.
    ///
    /// # Errors
    /// Errors of the catalog.
    pub fn scrub(
        &self,
        stop: &Receiver<()>,
        found: &mut dyn FnMut(&Fault),
    ) -> Result<(), StoreError> {
        let rate = u64::from(self.config().scrub_mib_per_s) * GROUP_BYTES;
        if rate == 0 {
            return Ok(());
        }
        loop {
            let begun = Instant::now();
            let step = self.scrub_step(rate)?;
            step.faults.iter().for_each(&mut *found);
            let due = match step.is_round_over {
                true => ROUND_PAUSE,
                false => Duration::from_secs_f64(step.bytes as f64 / rate as f64),
            };
            match stop.recv_timeout(due.saturating_sub(begun.elapsed())) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// The object to go on with.
    fn object_at(&self, cursor: &Cursor) -> Result<Option<ObjectRow>, StoreError> {
        self.catalog().read(|catalog| {
            if let Some(digest) = cursor.digest.filter(|_| cursor.group > 0)
                && let Some(row) = catalog::object(catalog, &digest)?
            {
                return Ok(Some(row));
            }
            Ok(catalog::objects_after(catalog, cursor.digest.as_ref(), 1)?.pop())
        })
    }

    fn scrub_object(
        &self,
        row: &ObjectRow,
        first: u64,
        bytes_max: u64,
        step: &mut ScrubStep,
    ) -> Result<Cursor, StoreError> {
        let after = Cursor { digest: Some(row.digest), group: 0 };
        let mut blame = |kind| step.faults.push(Fault { digest: row.digest, kind });
        let reader = match self.open_checked(row)? {
            Ok(reader) => reader,
            Err(fault) => {
                fault.map(blame);
                return Ok(after);
            }
        };
        let Some(tree) = self.sound_tree(row) else {
            check_whole(&reader, row, None, &mut ()).map(blame);
            step.bytes += row.len;
            step.objects += 1;
            return Ok(after);
        };
        let mut bad_mib = Vec::new();
        let mut group = first;
        while group < groups(row.len) && (step.bytes < bytes_max || group == first) {
            if !is_group_sound(reader.group(group, row.len).as_deref(), group, &tree) {
                bad_mib.push(group);
            }
            step.bytes += group_len(group, row.len);
            group += 1;
        }
        if !bad_mib.is_empty() {
            blame(FaultKind::Damaged { bad_mib });
        }
        if group < groups(row.len) {
            return Ok(Cursor { digest: Some(row.digest), group });
        }
        step.objects += 1;
        Ok(after)
    }
}

/// Where the scrub stands: behind `digest`, or inside of it if `group` is not 0.
#[derive(Default)]
struct Cursor {
    digest: Option<Digest>,
    group: u64,
}

impl Cursor {
    /// A cursor that cannot be read starts anew.
    fn from_bytes(bytes: &[u8]) -> Self {
        match bytes.split_first_chunk::<{ Digest::LEN }>() {
            Some((digest, group)) => Self {
                digest: Some(Digest(*digest)),
                group: group.try_into().map_or(0, u64::from_le_bytes),
            },
            None => Self::default(),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let digest = self.digest.map_or(Vec::new(), |digest| digest.0.to_vec());
        [digest, self.group.to_le_bytes().to_vec()].concat()
    }
}

/// The name of the cursor in the catalog.
const CURSOR: &str = "scrub";
/// How long the scrub rests when it has read everything.
const ROUND_PAUSE: Duration = Duration::from_secs(6 * 3600);
