//! Collecting what nothing refers to any more, and what crashes left behind.

use crate::catalog::{self, Expired};
use crate::place::{folder_names, remove_file};
use crate::upload::upload_of_file;
use crate::{Digest, Progress, ProgressUnit, Store, StoreError, UnixSeconds, UploadId};

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Objects: unreferenced beyond the grace time, or beyond their retention.
    pub objects: u64,
    /// References whose end had come.
    pub references: u64,
    /// Uploads that had expired, or that ended with the process that received them.
    pub uploads: u64,
    /// Uploads that a crash had cut off just before their end, now finished.
    pub uploads_completed: u64,
    /// Objects' bytes and uploads' files that the catalog does not know, left by crashes.
    pub orphans: u64,
}

impl Store {
    /// Collects objects that nothing has referred to for the grace time, those beyond their
    /// retention, expired uploads, and what crashes left behind; never what a live upload needs.
    /// May run while everything else does; a second one waits for the first.
    ///
    /// # Errors
    /// Errors of disk and catalog; what was collected until then stays collected.
    pub fn gc(
        &self,
        now: UnixSeconds,
        progress: &mut dyn Progress,
    ) -> Result<GcReport, StoreError> {
        let _collecting = self.pause_collecting();
        let mut report = GcReport::default();
        self.complete_publishing(&mut report)?;
        progress.begin("uploads", ProgressUnit::Items, None);
        self.collect_uploads(now, progress, &mut report)?;
        progress.end();
        self.drop_ended(now, &mut report)?;
        progress.begin("objects", ProgressUnit::Items, None);
        self.collect_objects(now, progress, &mut report)?;
        progress.end();
        progress.begin("files", ProgressUnit::Items, None);
        self.collect_orphans(progress, &mut report)?;
        progress.end();
        Ok(report)
    }

    fn complete_publishing(&self, report: &mut GcReport) -> Result<(), StoreError> {
        for id in self.catalog().read(catalog::publishing_uploads)? {
            let Some(_claim) = self.uploads_in_use().try_hold(id) else { continue };
            let Some(mut row) = self.upload_row(&id)? else { continue };
            match self.settle_publishing(&mut row) {
                Ok(()) => report.uploads_completed += u64::from(row.digest.is_some()),
                Err(error) => tracing::warn!(%error, %id, "an upload could not be completed"),
            }
        }
        Ok(())
    }

    fn collect_uploads(
        &self,
        now: UnixSeconds,
        progress: &mut dyn Progress,
        report: &mut GcReport,
    ) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let from = after.clone();
            let dead = self
                .catalog()
                .read(|catalog| catalog::dead_uploads(catalog, now, &from, PAGE_ROWS))?;
            let Some(last) = dead.last() else { return Ok(()) };
            after = last.to_string();
            for id in &dead {
                report.uploads += u64::from(self.collect_upload(id, now)?);
            }
            progress.advance(dead.len() as u64);
        }
    }

    fn collect_upload(&self, id: &UploadId, now: UnixSeconds) -> Result<bool, StoreError> {
        let Some(_claim) = self.uploads_in_use().try_hold(*id) else { return Ok(false) };
        // It may have gone on, or been finished, since it was listed.
        let row = self.upload_row(id)?.filter(|row| row.digest.is_none());
        let is_dead = row.is_some_and(|row| row.expires <= now || !row.resumable);
        if is_dead {
            self.delete_upload(id)?;
        }
        Ok(is_dead)
    }

    fn drop_ended(&self, now: UnixSeconds, report: &mut GcReport) -> Result<(), StoreError> {
        let all = |drop: fn(&_, UnixSeconds, u32) -> Result<u64, StoreError>| {
            let mut dropped = 0;
            loop {
                match self.catalog().write(move |catalog| drop(catalog, now, PAGE_ROWS))? {
                    0 => return Ok::<_, StoreError>(dropped),
                    some => dropped += some,
                }
            }
        };
        report.references = all(catalog::drop_ended_references)?;
        all(catalog::drop_ended_allowances)?;
        Ok(())
    }

    fn collect_objects(
        &self,
        now: UnixSeconds,
        progress: &mut dyn Progress,
        report: &mut GcReport,
    ) -> Result<(), StoreError> {
        let expired = Expired {
            until: now.minus(self.config().grace_s()),
            renewed: self.config().retention_s().map(|seconds| now.minus(seconds)),
        };
        let mut after = None;
        while !progress.is_cancelled() {
            let page = self.catalog().read(|catalog| {
                catalog::expired_objects(catalog, expired, after.as_ref(), PAGE_ROWS)
            })?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            report.objects += self.collect_page(page, expired, progress)?;
        }
        Ok(())
    }

    fn collect_page(
        &self,
        page: Vec<Digest>,
        expired: Expired,
        progress: &mut dyn Progress,
    ) -> Result<u64, StoreError> {
        // One that is being put right now is left for the next time.
        let held: Vec<_> = page
            .iter()
            .filter_map(|digest| Some((*digest, self.objects_changing().try_hold(*digest)?)))
            .collect();
        let asked: Vec<_> = held.iter().map(|(digest, _)| *digest).collect();
        let deleted = self.catalog().write(move |catalog| {
            let mut deleted = Vec::new();
            for digest in asked {
                if catalog::delete_object(catalog, &digest, expired)? {
                    deleted.push(digest);
                }
            }
            Ok(deleted)
        })?;
        for digest in &deleted {
            // Whatever stays behind, the catalog does not know it: it is an orphan.
            self.place().remove(digest)?;
            progress.advance(1);
        }
        Ok(deleted.len() as u64)
    }

    fn collect_orphans(
        &self,
        progress: &mut dyn Progress,
        report: &mut GcReport,
    ) -> Result<(), StoreError> {
        for name in folder_names(self.uploads_folder())? {
            let Some(id) = upload_of_file(&name) else { continue };
            let Some(_claim) = self.uploads_in_use().try_hold(id) else { continue };
            if !self.catalog().read(|catalog| catalog::is_receiving(catalog, &id))? {
                remove_file(&self.uploads_folder().join(name))?;
                report.orphans += 1;
            }
            progress.advance(1);
        }
        self.place().each(&mut |digest| {
            progress.advance(1);
            let Some(_claim) = self.objects_changing().try_hold(digest) else { return Ok(()) };
            let is_known = self.catalog().read(|catalog| {
                Ok(catalog::object(catalog, &digest)?.is_some()
                    || catalog::is_publishing(catalog, &digest)?)
            })?;
            if !is_known {
                self.place().remove(&digest)?;
                report.orphans += 1;
            }
            Ok(())
        })
    }
}

/// Rows of one page of work.
const PAGE_ROWS: u32 = 256;
