//! Changes of names that are not durable yet, and which of them a sync takes along.

use std::collections::HashSet;
use std::ffi::OsString;

use super::Ino;

/// One operation on names, kept or lost as a whole: a rename is never half done.
#[derive(Debug)]
pub(super) struct Change {
    /// What the names it touches lead to afterwards, in the order of application.
    pub(super) slots: Vec<Slot>,
    /// A folder went to another parent. Such changes keep their order among each other, or a
    /// folder could end up inside itself.
    pub(super) moves_folder: bool,
}

/// A name in a folder and what it leads to after the change.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) folder: Ino,
    pub(super) name: OsString,
    pub(super) after: Option<Ino>,
}

impl Change {
    pub(super) fn of(folder: Ino, name: OsString, after: Option<Ino>) -> Self {
        Self { slots: vec![Slot { folder, name, after }], moves_folder: false }
    }

    /// The folder whose fsync makes the change durable: the one that gains a name (of a rename:
    /// its target), else the one that loses it. Syncing only a rename's source promises nothing.
    pub(super) fn is_synced_by(&self, folder: Ino) -> bool {
        let gains = || self.slots.iter().filter(|slot| slot.after.is_some());
        match gains().next() {
            Some(_) => gains().any(|slot| slot.folder == folder),
            None => self.slots.iter().any(|slot| slot.folder == folder),
        }
    }

    pub(super) fn names(&self, ino: Ino) -> bool {
        self.slots.iter().any(|slot| slot.after == Some(ino))
    }
}

/// Takes the wanted changes out of `pending`, with the earlier ones that they build on.
pub(super) fn take(
    pending: &mut Vec<Change>,
    mut is_wanted: impl FnMut(&Change) -> bool,
) -> Vec<Change> {
    let mut taken = vec![false; pending.len()];
    let mut slots_taken = HashSet::new();
    let mut folder_moved = false;
    for (index, change) in pending.iter().enumerate().rev() {
        let builds_upon = change.moves_folder && folder_moved
            || change.slots.iter().any(|slot| slots_taken.contains(&(slot.folder, &slot.name)));
        if is_wanted(change) || builds_upon {
            taken[index] = true;
            folder_moved |= change.moves_folder;
            slots_taken.extend(change.slots.iter().map(|slot| (slot.folder, &slot.name)));
        }
    }
    let mut taken = taken.into_iter();
    pending.extract_if(.., |_| taken.next().unwrap_or(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Folder 1 is synced; the numbers are the changes that become durable.
    fn check(changes: Vec<Change>, expected: &[usize]) {
        let count = changes.len();
        let mut pending = changes;
        let marks: Vec<_> = pending.iter().map(|change| format!("{change:?}")).collect();
        let taken = take(&mut pending, |change| change.is_synced_by(1));
        let taken: Vec<_> = taken.iter().map(|change| format!("{change:?}")).collect();
        let expected: Vec<_> = expected.iter().map(|&index| marks[index].clone()).collect();
        assert_eq!(taken, expected);
        assert_eq!(pending.len() + expected.len(), count);
    }

    fn set(folder: Ino, name: &str, after: impl Into<Option<Ino>>) -> Change {
        Change::of(folder, name.into(), after.into())
    }

    fn rename(from: (Ino, &str), to: (Ino, &str), ino: Ino) -> Change {
        let mut change = set(from.0, from.1, None);
        change.slots.extend(set(to.0, to.1, ino).slots);
        change
    }

    #[test]
    fn a_folders_sync_takes_its_own_names_only() {
        check(vec![set(1, "a", 7), set(2, "b", 8), set(1, "c", None)], &[0, 2]);
    }

    #[test]
    fn a_rename_is_synced_by_its_target() {
        check(vec![rename((2, "tmp"), (1, "object"), 7)], &[0]);
        check(vec![rename((1, "tmp"), (2, "object"), 7)], &[]);
    }

    #[test]
    fn what_a_change_builds_on_goes_along() {
        let created_then_moved = vec![set(2, "tmp", 7), rename((2, "tmp"), (1, "object"), 7)];
        check(created_then_moved, &[0, 1]);
    }

    #[test]
    fn moves_of_folders_keep_their_order() {
        let mut first = rename((3, "c"), (4, "c"), 7);
        first.moves_folder = true;
        let mut second = rename((4, "a"), (1, "a"), 3);
        second.moves_folder = true;
        check(vec![first, second], &[0, 1]);
    }
}
