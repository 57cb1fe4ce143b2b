//! Random sequences of operations, against a model that is obviously right.

mod bench;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bench::{Bench, HOUR, MIB, bytes, read};
use media_store::{
    Digest, Receiving, StoreConfig, StoreError, UnixSeconds, UploadId, UploadSpec, UploadState,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const GRACE_H: u64 = 3;
const EXPIRY_H: u64 = 5;
const QUOTA_BYTES: u64 = 6 * MIB as u64;
/// Lengths of the contents that come: none, small ones, some with a tree.
const LENS: [usize; 6] = [0, 1, 700, MIB, MIB + 1, 2 * MIB + 12_345];
const OWNERS: [&str; 2] = ["alice", "bob"];

#[derive(Debug, Clone)]
enum Action {
    Begin {
        owner: usize,
        content: usize,
        resumable: bool,
        life_h: Option<u64>,
    },
    /// Writes this share (of 8) of what is missing.
    Write {
        eighths: usize,
    },
    Checkpoint,
    Rollback,
    /// Drops the upload and goes on with it, if it stays.
    Leave,
    Finish,
    Abandon,
    Refer {
        owner: usize,
        content: usize,
        life_h: Option<u64>,
    },
    Forget {
        owner: usize,
        content: usize,
    },
    Pass {
        hours: u64,
    },
    Gc,
    Reopen,
}

fn action() -> impl Strategy<Value = Action> {
    use Action::*;
    let (owner, content) = (0..OWNERS.len(), 0..LENS.len());
    let life_h = prop::option::of(0..10_u64);
    prop_oneof![
        4 => (owner.clone(), content.clone(), any::<bool>(), life_h.clone()).prop_map(
            |(owner, content, resumable, life_h)| Begin { owner, content, resumable, life_h }
        ),
        6 => (1..=8_usize).prop_map(|eighths| Write { eighths }),
        3 => Just(Checkpoint),
        1 => Just(Rollback),
        3 => Just(Leave),
        5 => Just(Finish),
        1 => Just(Abandon),
        2 => (owner.clone(), content.clone(), life_h).prop_map(
            |(owner, content, life_h)| Refer { owner, content, life_h }
        ),
        2 => (owner, content).prop_map(|(owner, content)| Forget { owner, content }),
        2 => (0..6_u64).prop_map(|hours| Pass { hours }),
        2 => Just(Gc),
        1 => Just(Reopen),
    ]
}

/// What the store should hold.
#[derive(Default)]
struct Model {
    objects: BTreeMap<usize, ModelObject>,
    /// The upload that the test is at; it may have been left, or be gone.
    upload: Option<ModelUpload>,
}

#[derive(Default)]
struct ModelObject {
    references: BTreeMap<usize, Option<UnixSeconds>>,
    until: Option<UnixSeconds>,
}

struct ModelUpload {
    id: UploadId,
    owner: usize,
    content: usize,
    resumable: bool,
    until: Option<UnixSeconds>,
    durable: usize,
    offset: usize,
    expires: UnixSeconds,
}

struct Trial {
    bench: Bench,
    receiving: Option<Receiving>,
    model: Model,
}

#[test]
fn agrees_with_the_model() {
    let config = Config { failure_persistence: None, cases: 48, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(action(), 1..60), |actions| {
            let mut trial = Trial::new();
            for action in &actions {
                trial.act(action);
                trial.check();
            }
            trial.end();
            Ok(())
        })
        .unwrap_or_else(|failed| panic!("{failed}"));
}

impl Trial {
    fn new() -> Self {
        let config = StoreConfig {
            grace_hours: GRACE_H as u32,
            upload_expiry_hours: EXPIRY_H as u32,
            quota_bytes_max: QUOTA_BYTES,
            ..StoreConfig::default()
        };
        Self { bench: Bench::new(config), receiving: None, model: Model::default() }
    }

    fn now(&self) -> UnixSeconds {
        self.bench.pass(0)
    }

    fn act(&mut self, action: &Action) {
        let end = |life: &Option<u64>, now: UnixSeconds| life.map(|hours| now.plus(hours * HOUR));
        match action {
            Action::Begin { owner, content, resumable, life_h } => {
                self.begin(*owner, *content, *resumable, end(life_h, self.now()));
            }
            Action::Write { eighths } => self.write(*eighths),
            Action::Checkpoint => self.checkpoint(),
            Action::Rollback => self.rollback(),
            Action::Leave => self.leave(),
            Action::Finish => self.finish(),
            Action::Abandon => self.abandon(),
            Action::Refer { owner, content, life_h } => {
                self.refer(*owner, *content, end(life_h, self.now()));
            }
            Action::Forget { owner, content } => self.forget(*owner, *content),
            Action::Pass { hours } => drop(self.bench.pass(hours * HOUR)),
            Action::Gc => self.gc(),
            Action::Reopen => {
                self.receiving = None;
                self.drop_upload_unless_resumable();
                let bench = std::mem::replace(&mut self.bench, Bench::new(StoreConfig::default()));
                self.bench = bench.reopen();
            }
        }
    }

    fn begin(&mut self, owner: usize, content: usize, resumable: bool, until: Option<UnixSeconds>) {
        self.abandon();
        let spec = UploadSpec {
            len: Some(LENS[content] as u64),
            resumable,
            reference_until: until,
            ..UploadSpec::by(OWNERS[owner])
        };
        let asked = LENS[content] as u64;
        match self.bench.store.begin(spec) {
            Ok(receiving) => {
                assert!(self.usage(owner) + asked <= QUOTA_BYTES);
                let expires = self.now().plus(EXPIRY_H * HOUR);
                let id = receiving.id();
                self.receiving = Some(receiving);
                let (durable, offset) = (0, 0);
                self.model.upload = Some(ModelUpload {
                    id,
                    owner,
                    content,
                    resumable,
                    until,
                    durable,
                    offset,
                    expires,
                });
            }
            Err(StoreError::QuotaExceeded { used, .. }) => {
                assert_eq!(used, self.usage(owner));
                assert!(used + asked > QUOTA_BYTES);
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn write(&mut self, eighths: usize) {
        let (Some(upload), Some(receiving)) = (&mut self.model.upload, &mut self.receiving) else {
            return;
        };
        let content = &CONTENTS[upload.content].0;
        let end = upload.offset + (content.len() - upload.offset) * eighths / 8;
        receiving.write(&content[upload.offset..end]).unwrap();
        upload.offset = end;
        assert_eq!(receiving.offset(), end as u64);
    }

    fn checkpoint(&mut self) {
        let now = self.now();
        let (Some(upload), Some(receiving)) = (&mut self.model.upload, &mut self.receiving) else {
            return;
        };
        assert_eq!(receiving.checkpoint().unwrap(), upload.offset as u64);
        upload.durable = upload.offset;
        upload.expires = now.plus(EXPIRY_H * HOUR);
    }

    fn rollback(&mut self) {
        let (Some(upload), Some(receiving)) = (&mut self.model.upload, &mut self.receiving) else {
            return;
        };
        assert_eq!(receiving.rollback().unwrap(), upload.durable as u64);
        upload.offset = upload.durable;
    }

    fn leave(&mut self) {
        self.receiving = None;
        self.drop_upload_unless_resumable();
        let now = self.now();
        let Some(upload) = &mut self.model.upload else { return };
        match self.bench.store.resume(&upload.id) {
            Ok(receiving) => {
                assert!(now < upload.expires);
                assert_eq!(receiving.offset(), upload.durable as u64);
                upload.offset = upload.durable;
                self.receiving = Some(receiving);
            }
            Err(StoreError::UnknownUpload(_)) => assert!(upload.expires <= now),
            Err(error) => panic!("{error}"),
        }
    }

    fn finish(&mut self) {
        let Some(receiving) = self.receiving.take() else { return };
        let Some(upload) = self.model.upload.take() else { return };
        let len = LENS[upload.content];
        match receiving.finish() {
            Ok(object) => {
                assert_eq!(upload.offset, len);
                assert_eq!(object.digest, digest(upload.content));
                assert!(read(&object) == CONTENTS[upload.content].0);
                let object = self.model.objects.entry(upload.content).or_default();
                object.refer(upload.owner, upload.until, self.bench.pass(0));
            }
            Err(StoreError::Incomplete { .. }) => {
                assert!(upload.offset < len);
                self.model.upload = Some(upload);
                self.drop_upload_unless_resumable();
                self.leave();
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn abandon(&mut self) {
        let held = self.receiving.take();
        let Some(upload) = self.model.upload.take() else { return };
        match held {
            Some(held) => held.abandon().unwrap(),
            None => match self.bench.store.abandon(&upload.id) {
                Ok(()) => {}
                Err(StoreError::UnknownUpload(_)) => assert!(upload.expires <= self.now()),
                Err(error) => panic!("{error}"),
            },
        }
    }

    fn refer(&mut self, owner: usize, content: usize, until: Option<UnixSeconds>) {
        let now = self.now();
        match self.bench.store.add_reference(&digest(content), OWNERS[owner], until) {
            Ok(()) => self.model.objects.get_mut(&content).unwrap().refer(owner, until, now),
            Err(StoreError::UnknownObject(_)) => {
                assert!(!self.model.objects.contains_key(&content));
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn forget(&mut self, owner: usize, content: usize) {
        let dropped = self.bench.store.drop_reference(&digest(content), OWNERS[owner]).unwrap();
        let now = self.now();
        let object = self.model.objects.get_mut(&content);
        let had = object.is_some_and(|object| {
            let had = object.references.remove(&owner).is_some();
            if had {
                object.settle(now);
            }
            had
        });
        assert_eq!(dropped, had);
    }

    fn gc(&mut self) {
        let now = self.now();
        let report = self.bench.store.gc(now, &mut ()).unwrap();
        let before = self.model.objects.len();
        for object in self.model.objects.values_mut() {
            object.references.retain(|_, until| until.is_none_or(|until| now < until));
        }
        self.model
            .objects
            .retain(|_, object| object.until.is_none_or(|until| now < until.plus(GRACE_H * HOUR)));
        assert_eq!(report.objects, (before - self.model.objects.len()) as u64);
        assert_eq!(report.orphans, 0);
        if self.receiving.is_none()
            && self.model.upload.as_ref().is_some_and(|it| it.expires <= now)
        {
            self.model.upload = None;
        }
    }

    fn drop_upload_unless_resumable(&mut self) {
        self.model.upload.take_if(|upload| !upload.resumable);
    }

    fn usage(&self, owner: usize) -> u64 {
        let held = self.model.objects.iter();
        let held = held.filter(|(_, object)| object.references.contains_key(&owner));
        held.map(|(content, _)| LENS[*content] as u64).sum()
    }

    fn check(&self) {
        for (content, len) in LENS.into_iter().enumerate() {
            let found = self.bench.store.get(&digest(content)).unwrap();
            let expected = self.model.objects.get(&content);
            assert_eq!(
                found.map(|object| (object.len as usize, object.until)),
                expected.map(|object| (len, object.until)),
            );
        }
        for (owner, name) in OWNERS.iter().enumerate() {
            assert_eq!(self.bench.store.usage(name).unwrap().bytes, self.usage(owner), "{name}");
        }
        if let Some(upload) = &self.model.upload {
            let state = self.bench.store.upload(&upload.id).unwrap();
            let state = state.map(|state| match state {
                UploadState::Receiving(state) => state.offset as usize,
                UploadState::Finished(state) => panic!("{state:?}"),
            });
            assert_eq!(state, (self.now() < upload.expires).then_some(upload.durable));
        }
    }

    /// Given everything back, nothing stays.
    fn end(mut self) {
        assert!(self.bench.store.verify(&mut ()).unwrap().is_sound());
        self.abandon();
        for content in 0..LENS.len() {
            for owner in 0..OWNERS.len() {
                self.forget(owner, content);
            }
        }
        self.bench.pass(100 * HOUR);
        self.gc();
        assert_eq!(self.bench.files(), 0);
    }
}

impl ModelObject {
    fn refer(&mut self, owner: usize, until: Option<UnixSeconds>, now: UnixSeconds) {
        self.references
            .entry(owner)
            .and_modify(|known| *known = known.zip(until).map(|(known, new)| known.max(new)))
            .or_insert(until);
        self.settle(now);
    }

    fn settle(&mut self, now: UnixSeconds) {
        let mut ends = self.references.values();
        self.until = match self.references.values().max_by_key(|until| until.unwrap_or_default()) {
            _ if ends.any(Option::is_none) => None,
            Some(last) => *last,
            None => Some(now),
        };
    }
}

fn digest(content: usize) -> Digest {
    CONTENTS[content].1
}

/// Made once: they are asked for after each operation.
static CONTENTS: LazyLock<Vec<(Vec<u8>, Digest)>> =
    LazyLock::new(|| LENS.map(|len| (bytes(len), Digest::of(&bytes(len)))).into());
