//! The loader, from paths to resources.

use std::path::Path;
use std::time::SystemTime;

use super::*;
use crate::edge::resource::Source;

struct Tree {
    folder: tempfile::TempDir,
    loader: Loader,
}

impl Tree {
    /// A site of `files` (name, content), all changed an hour ago.
    fn new(files: &[(&str, &str)], change: impl FnOnce(&mut SiteConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            write(folder.path(), name, content);
        }
        let mut config = SiteConfig { root: folder.path().into(), ..SiteConfig::default() };
        change(&mut config);
        let loader = Loader::new(Handle::current(), &[config], None, None, 1 << 20).unwrap();
        Self { folder, loader }
    }

    async fn get(&self, path: &str) -> Arc<Resource> {
        self.loader.load(Route::Site(0), path).await
    }

    /// `status|content of each variant|fields that matter`
    async fn check(&self, path: &str, expected: &str) {
        let resource = self.get(path).await;
        let location = resource.redirect.as_ref().map(|redirect| redirect.location.clone());
        let bodies: Vec<String> = resource.variants.iter().map(body).collect();
        let shown = location.unwrap_or_else(|| bodies.join(","));
        assert_eq!(format!("{}|{shown}", resource.status), expected, "{path}");
    }
}

fn write(root: &Path, name: &str, content: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    age(&path, 3600);
}

/// Makes a file one that was last changed `seconds` ago.
fn age(path: &Path, seconds: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

fn body(variant: &crate::edge::resource::Variant) -> String {
    match &variant.source {
        Source::Memory(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Source::File(source) => format!("file of {}", source.file.metadata().unwrap().len()),
        Source::Remote(_) => "remote".to_owned(),
    }
}

fn field(resource: &Resource, variant: usize, name: &str) -> String {
    let value = resource.variants[variant].fields.get(name);
    value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn paths_of_a_site() {
    let files = [
        ("index.html", "home"),
        ("docs/index.html", "docs"),
        ("empty/keep/x", ""),
        ("a b.txt", "spaced"),
        ("é.txt", "accented"),
        (".git/config", "secret"),
        (".well-known/security.txt", "security"),
    ];
    let tree = Tree::new(&files, |_| {});
    tree.check("/", "200|home").await;
    tree.check("/index.html", "200|home").await;
    tree.check("/docs", "301|/docs/").await;
    tree.check("//docs", "301|/docs/").await;
    tree.check("/docs/", "200|docs").await;
    tree.check("/docs/index.html/", "404|404 Not Found\n").await;
    tree.check("/empty/", "404|404 Not Found\n").await;
    tree.check("/a%20b.txt", "200|spaced").await;
    tree.check("/%C3%A9.txt", "200|accented").await;
    tree.check("/é.txt", "200|accented").await;
    tree.check("/.git/config", "404|404 Not Found\n").await;
    tree.check("/.well-known/security.txt", "200|security").await;
    tree.check("/docs%2findex.html", "404|404 Not Found\n").await;
    tree.check("/%00", "400|400 Bad Request\n").await;
    let long = format!("/{}", "x".repeat(300));
    tree.check(&long, "404|404 Not Found\n").await;
    let elsewhere = tree.loader.load(Route::Site(1), "/").await;
    assert_eq!(elsewhere.status, 404);
    assert_eq!(tree.loader.load(Route::Nowhere, "/").await.status, 404);
}

#[tokio::test]
async fn what_is_no_file_is_not_waited_for() {
    let tree = Tree::new(&[], |_| {});
    let fifo = tree.folder.path().join("fifo");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, fifo, kind, rustix::fs::Mode::RWXU, 0).unwrap();
    tree.check("/fifo", "404|404 Not Found\n").await;
}

#[tokio::test]
async fn error_pages_keep_their_status() {
    let files = [("errors/404.html", "lost"), ("x", "x")];
    let tree = Tree::new(&files, |config| {
        config.error_pages.insert(404, "errors/404.html".to_owned());
        config.error_pages.insert(400, "errors/none.html".to_owned());
    });
    tree.check("/none", "404|lost").await;
    tree.check("/.hidden", "404|lost").await;
    tree.check("/%zz", "400|400 Bad Request\n").await;
    let (one, other) = (tree.get("/none").await, tree.get("/other").await);
    assert!(Arc::ptr_eq(&one, &other), "all missing paths share one page");
    assert_eq!(field(&one, 0, "content-type"), "text/html; charset=utf-8");
    assert_eq!(field(&one, 0, "etag"), "");
}

#[tokio::test]
async fn a_fallback_answers_views_but_not_files() {
    let tree = Tree::new(&[("app.html", "app")], |config| {
        config.fallback = Some("app.html".to_owned());
    });
    tree.check("/chats/5", "200|app").await;
    tree.check("/", "200|app").await;
    tree.check("/missing.js", "404|404 Not Found\n").await;
}

#[tokio::test]
async fn precompressed_files_are_variants_unless_older() {
    let files = [
        ("app.js", "original content"),
        ("app.js.br", "brotli"),
        ("app.js.gz", "gzip"),
        ("app.js.zst", "longer than the original is"),
    ];
    let tree = Tree::new(&files, |_| {});
    age(&tree.folder.path().join("app.js"), 7200);
    age(&tree.folder.path().join("app.js.gz"), 9000);
    tree.check("/app.js", "200|original content,brotli").await;
    let resource = tree.get("/app.js").await;
    assert_eq!(field(&resource, 0, "vary"), "accept-encoding");
    assert_eq!(field(&resource, 1, "vary"), "accept-encoding");
    assert_eq!(field(&resource, 1, "content-encoding"), "br");
    assert_eq!(field(&resource, 1, "content-type"), "text/javascript; charset=utf-8");
    assert!(field(&resource, 1, "etag").ends_with("-br\""));
    assert_ne!(field(&resource, 0, "etag"), field(&resource, 1, "etag"));
    tree.check("/app.js.gz", "200|gzip").await;
    let without = Tree::new(&files, |config| config.precompressed = false);
    without.check("/app.js", "200|original content").await;
}

#[tokio::test]
async fn tags_are_weak_while_a_change_might_not_show() {
    let tree = Tree::new(&[("a", "a"), ("b", "b")], |_| {});
    age(&tree.folder.path().join("b"), 0);
    let (old, new) = (tree.get("/a").await, tree.get("/b").await);
    assert!(field(&old, 0, "etag").starts_with('"'));
    assert!(field(&new, 0, "etag").starts_with("W/\""));
    assert_ne!(field(&old, 0, "last-modified"), "");
}

#[tokio::test]
async fn rules_of_the_configuration() {
    let text = r#"
        cache_control = "max-age=60"
        headers = [
            { path = "/assets/*", set = { cache-control = "max-age=31536000, immutable" } },
            { path = "*.html", set = { x-frame-options = "DENY", referrer-policy = "" } },
        ]
        redirects = [
            { from = "/old/*", to = "/assets/*", status = 308 },
            { from = "/docs", to = "https://docs.example/" },
        ]
    "#;
    let rules: SiteConfig = toml::from_str(text).unwrap();
    let files = [("index.html", "i"), ("assets/app.js", "j"), ("docs/x", "x")];
    let tree =
        Tree::new(&files, |config| *config = SiteConfig { root: config.root.clone(), ..rules });
    let (page, asset) = (tree.get("/").await, tree.get("/assets/app.js").await);
    assert_eq!(field(&page, 0, "cache-control"), "max-age=60");
    assert_eq!(field(&page, 0, "x-frame-options"), "DENY");
    assert_eq!(field(&page, 0, "referrer-policy"), "");
    assert_eq!(field(&page, 0, "x-content-type-options"), "nosniff");
    assert_eq!(field(&asset, 0, "cache-control"), "max-age=31536000, immutable");
    assert_eq!(field(&asset, 0, "x-frame-options"), "");
    tree.check("/old/a/b", "308|/assets/a/b").await;
    tree.check("/docs", "301|https://docs.example/").await;
}

#[tokio::test]
async fn large_files_stay_on_disk() {
    let large = "x".repeat(SMALL_BYTES_MAX as usize + 1);
    let tree = Tree::new(&[("large", &large), ("small", &large[1..])], |_| {});
    tree.check("/large", &format!("200|file of {}", large.len())).await;
    tree.check("/small", &format!("200|{}", &large[1..])).await;
}

#[tokio::test]
async fn what_has_not_changed_stays_the_same() {
    let tree = Tree::new(&[("a", "one"), ("list/x", "")], |config| config.listing = true);
    let (first, listing) = (tree.get("/a").await, tree.get("/list/").await);
    assert!(Arc::ptr_eq(&first, &tree.get("/a").await));
    tree.loader.shared.memory.age_all(FRESH_FOR);
    assert!(tree.loader.recall(Route::Site(0), "/a").is_none());
    assert!(Arc::ptr_eq(&first, &tree.get("/a").await));
    assert!(Arc::ptr_eq(&listing, &tree.get("/list/").await));
    assert!(tree.loader.recall(Route::Site(0), "/a").is_some());
    write(tree.folder.path(), "a", "two");
    write(tree.folder.path(), "list/y", "");
    tree.loader.shared.memory.age_all(FRESH_FOR);
    tree.check("/a", "200|two").await;
    assert!(!Arc::ptr_eq(&listing, &tree.get("/list/").await));
    std::fs::remove_file(tree.folder.path().join("a")).unwrap();
    tree.loader.shared.memory.age_all(FRESH_FOR);
    tree.check("/a", "404|404 Not Found\n").await;
}

#[tokio::test]
async fn memory_is_bounded() {
    let content = "x".repeat(60_000);
    let names: Vec<String> = (0..64).map(|number| format!("f{number}")).collect();
    let files: Vec<(&str, &str)> =
        names.iter().map(|name| (name.as_str(), content.as_str())).collect();
    let tree = Tree::new(&files, |_| {});
    for name in &names {
        tree.get(&format!("/{name}")).await;
    }
    let remembered = names
        .iter()
        .filter(|name| tree.loader.recall(Route::Site(0), &format!("/{name}")).is_some())
        .count();
    assert!((8..=17).contains(&remembered), "{remembered} of 60 kB in 1 MiB");
    assert!(tree.loader.recall(Route::Site(0), "/f63").is_some());
}

/// A site whose disk hangs: the test holds all its threads.
#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_holds_up_its_own_site_only() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "a").unwrap();
    let config = SiteConfig { root: folder.path().into(), ..SiteConfig::default() };
    let sites = [config.clone(), config];
    let loader = Loader::new(Handle::current(), &sites, None, None, 1 << 20).unwrap();
    let threads = loader.shared.origins[0].threads.clone();
    let held = threads.acquire_many_owned(THREADS_PER_ORIGIN_MAX as u32).await.unwrap();
    let other = loader.load(Route::Site(1), "/a");
    let (hung, other) = tokio::join!(loader.load(Route::Site(0), "/a"), other);
    assert_eq!((hung.status, other.status), (503, 200));
    assert_eq!(field(&hung, 0, "retry-after"), RETRY_AFTER_S.to_string());
    drop(held);
    assert_eq!(loader.load(Route::Site(0), "/a").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn too_many_loads_are_refused_at_once() {
    let tree = Tree::new(&[], |_| {});
    let threads = tree.loader.shared.origins[0].threads.clone();
    let _held = threads.acquire_many_owned(THREADS_PER_ORIGIN_MAX as u32).await.unwrap();
    let (sender, answers) = std::sync::mpsc::channel();
    for number in 0..LOADS_PENDING_MAX + 1 {
        let sender = sender.clone();
        let then = Box::new(move |resource: Arc<Resource>| sender.send(resource.status).unwrap());
        tree.loader.load_then(Route::Site(0), format!("/{number}"), then);
    }
    assert_eq!(answers.try_recv(), Ok(503));
    assert!(answers.try_recv().is_err());
}

#[tokio::test]
async fn one_load_serves_all_who_wait() {
    let tree = Tree::new(&[("a", "a")], |_| {});
    let threads = tree.loader.shared.origins[0].threads.clone();
    let held = threads.acquire_many_owned(THREADS_PER_ORIGIN_MAX as u32).await.unwrap();
    let (one, other, _) = tokio::join!(tree.get("/a"), tree.get("/a"), async { drop(held) });
    assert!(Arc::ptr_eq(&one, &other));
}

#[tokio::test]
async fn a_missing_root_is_a_matter_of_now() {
    let config = SiteConfig { root: "/nonexistent/root".into(), ..SiteConfig::default() };
    let loader =
        Loader::new(Handle::current(), std::slice::from_ref(&config), None, None, 0).unwrap();
    assert_eq!(loader.load(Route::Site(0), "/").await.status, 503);
    let loader = Loader::new(Handle::current(), &[config.built_in()], None, None, 0).unwrap();
    assert_eq!(loader.load(Route::Site(0), "/").await.status, 200);
    assert_eq!(loader.load(Route::Site(0), "/x").await.status, 404);
}

#[tokio::test]
async fn a_disk_error_is_answered_by_the_sites_page() {
    let files = [("503.html", "come again"), ("large", "x")];
    let tree = Tree::new(&files, |config| {
        config.error_pages.insert(503, "503.html".to_owned());
    });
    let page = tree.loader.shared.origins[0].error_page(503, &tree.loader.shared.systems).unwrap();
    assert_eq!((page.status, body(&page.variants[0])), (503, "come again".to_owned()));
    assert_eq!(field(&page, 0, "retry-after"), RETRY_AFTER_S.to_string());
    assert!(tree.loader.shared.origins[0].error_page(500, &tree.loader.shared.systems).is_none());
}
