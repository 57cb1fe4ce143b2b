//! What may be relied on after a crash, and whether it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use faulty_fs::Random;
use media_store::{Digest, GROUP_BYTES, Store, StoreError, UploadId, UploadState};

/// How many different contents there are: few enough that writers meet on the same bytes.
const CONTENTS: u64 = 150;

/// Bytes that follow from a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    seed: u64,
    pub len: u64,
}

impl Content {
    pub fn random(random: &mut Random) -> Self {
        Self::of(random.below(CONTENTS))
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut random = Random::new(self.seed);
        let mut bytes: Vec<u8> =
            (0..self.len.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
        bytes.truncate(self.len as usize);
        bytes
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes())
    }

    /// Most are small, some have a tree, some end at a border of groups.
    fn of(seed: u64) -> Self {
        let mut random = Random::new(!seed);
        let len = match seed % 10 {
            0 => random.below(3 * GROUP_BYTES),
            1 => GROUP_BYTES * random.below(3),
            2..5 => random.below(GROUP_BYTES / 2),
            _ => random.below(5_000),
        };
        Self { seed, len }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)
    }
}

/// What was acknowledged.
#[derive(Default)]
pub struct Model {
    /// References that must be there, and those that may be.
    references: BTreeMap<(Digest, String), Certainty>,
    uploads: BTreeMap<UploadId, Upload>,
    acknowledged: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Certain,
    Uncertain,
}

struct Upload {
    content: Content,
    offset: u64,
}

impl Model {
    /// Takes in what a process said before it was killed.
    pub fn hear(&mut self, lines: &[String]) {
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            let reference = || (words[2].parse().unwrap(), words[3].to_owned());
            let forgotten = || (words[1].parse().unwrap(), words[2].to_owned());
            let id = || words[1].parse().unwrap();
            match words[0] {
                "begun" => {
                    let content = Content::of(words[2].parse().unwrap());
                    self.uploads.insert(id(), Upload { content, offset: 0 });
                }
                "offset" => {
                    let upload = self.uploads.get_mut(&id()).unwrap();
                    upload.offset = words[2].parse().unwrap();
                }
                "finished" => {
                    self.acknowledged += 1;
                    self.uploads.remove(&id());
                    self.references.insert(reference(), Certainty::Certain);
                }
                "forgetting" => {
                    // Which way it went is known only when it is said to be done.
                    if let Some(known) = self.references.get_mut(&forgotten()) {
                        *known = Certainty::Uncertain;
                    }
                }
                "forgotten" => drop(self.references.remove(&forgotten())),
                other => panic!("{other}"),
            }
        }
    }

    /// Everything acknowledged is there and whole.
    pub fn check(&mut self, store: &Store) {
        let report = store.verify(&mut ()).unwrap();
        assert!(report.is_sound(), "{report:?}");
        for ((digest, owner), certainty) in &self.references {
            let has = store.references(digest).unwrap().iter().any(|it| it.owner == *owner);
            assert!(has || *certainty == Certainty::Uncertain, "{owner} lost {digest}");
            assert!(!has || store.get(digest).unwrap().is_some());
        }
        self.check_uploads(store);
    }

    fn check_uploads(&mut self, store: &Store) {
        self.uploads.retain(|id, upload| match store.upload(id).unwrap() {
            Some(UploadState::Receiving(state)) => {
                assert!(state.offset >= upload.offset, "{id} fell back to {}", state.offset);
                assert_eq!(state.metadata, Some(upload.content.to_string()));
                true
            }
            // It ended, but the process was killed before it could say so.
            Some(UploadState::Finished(state)) => {
                assert_eq!(state.digest, upload.content.digest());
                let reference = (state.digest, state.owner);
                self.references.entry(reference).or_insert(Certainty::Uncertain);
                false
            }
            None => panic!("upload {id}, acknowledged to {}, is gone", upload.offset),
        });
    }

    /// Finishes some uploads that the crash cut off: what was acknowledged of them is right.
    pub fn go_on_with_some(&mut self, store: &Store, random: &mut Random) {
        let ids: Vec<_> = self.uploads.keys().copied().filter(|_| random.below(3) == 0).collect();
        for id in ids {
            let Some(upload) = self.uploads.remove(&id) else { continue };
            let mut receiving = store.resume(&id).unwrap();
            assert!(receiving.offset() >= upload.offset);
            let bytes = upload.content.bytes();
            receiving.write(&bytes[receiving.offset() as usize..]).unwrap();
            let object = receiving.finish().unwrap();
            assert_eq!(object.digest, upload.content.digest(), "resumed at {}", upload.offset);
            for reference in store.references(&object.digest).unwrap() {
                let key = (object.digest, reference.owner);
                self.references.entry(key).or_insert(Certainty::Certain);
            }
        }
    }

    /// Drops all references and abandons all uploads.
    pub fn give_back(&self, store: &Store, roots: &[PathBuf]) {
        for (digest, owner) in self.references.keys() {
            store.drop_reference(digest, owner).unwrap();
        }
        for id in self.uploads.keys() {
            store.abandon(id).unwrap();
        }
        // What was done but never said: a put whose process was killed in between.
        for seed in 0..CONTENTS {
            let digest = Content::of(seed).digest();
            for reference in store.references(&digest).unwrap() {
                store.drop_reference(&digest, &reference.owner).unwrap();
            }
        }
        for path in files(roots) {
            let id = path.file_stem().and_then(|stem| stem.to_str()?.parse::<UploadId>().ok());
            if let Some(id) = id {
                match store.abandon(&id) {
                    Ok(()) | Err(StoreError::UnknownUpload(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    pub fn summary(&self) -> String {
        format!("{} uploads acknowledged, {} open", self.acknowledged, self.uploads.len())
    }
}

/// Every object's file, known to the catalog or not, has the bytes that its name says.
pub fn check_files(roots: &[PathBuf]) {
    for path in files(roots) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if let Ok(digest) = name.parse::<Digest>() {
            assert_eq!(Digest::of(&fs::read(&path).unwrap()), digest, "half an object");
        }
    }
}

/// After gc there are the catalog's objects, their trees, and the files of open uploads only.
pub fn check_no_leak(roots: &[PathBuf], store: &Store) {
    let mut objects = BTreeSet::new();
    for path in files(roots) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if let Ok(id) = stem.parse::<UploadId>() {
            let state = store.upload(&id).unwrap();
            assert!(matches!(state, Some(UploadState::Receiving(_))), "{path:?}: {state:?}");
            continue;
        }
        let digest = stem.parse().unwrap();
        let object = store.get(&digest).unwrap().unwrap_or_else(|| panic!("{path:?} leaked"));
        let has_tree = object.len > GROUP_BYTES;
        assert!(path.extension().is_none() || has_tree, "{path:?} leaked");
        objects.insert(digest);
    }
    assert_eq!(objects.len() as u64, store.stat().unwrap().objects);
}

/// The files of objects and uploads: `roots` are the store's folder and, where there is one, its
/// bucket's.
pub fn files(roots: &[PathBuf]) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    for root in roots {
        walk(&root.join("objects"), &mut found);
        walk(&root.join("uploads"), &mut found);
    }
    found
}
