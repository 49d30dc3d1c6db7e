//! Every bound of the scanner, in one place. What a bound cuts off is reported in the inventory's `unanalysed`, never dropped silently.

use std::time::Duration;

/// The most layers of one image. Container engines stop at 127 (overlayfs, Docker).
pub const MAX_LAYERS: usize = 127;
/// The most manifests one index lists.
pub const MAX_INDEX_ENTRIES: usize = 1_000;
/// How deep indexes are listed within indexes.
pub const MAX_INDEX_DEPTH: usize = 4;
/// The most indexes that one image's index lists, all depths taken together.
pub const MAX_NESTED_INDEXES: usize = 16;
/// The most entries of an archive of images (`docker save`, an OCI layout as tar): 127 layers and their companions, for many images.
pub const MAX_SAVED_ENTRIES: usize = 20_000;
/// The longest name of such an entry that can be a blob's, in bytes; longer ones are passed over.
pub const MAX_ARCHIVE_NAME: usize = 512;
/// How deep the directories of a root file system are walked: one open directory each.
pub const MAX_DIRECTORY_DEPTH: usize = 256;
/// The largest software bill of materials, in bytes.
pub const MAX_SBOM: usize = 64 << 20;
/// The largest image configuration, in bytes.
pub const MAX_CONFIG: usize = 4 << 20;
/// The largest compressed layer, in bytes.
pub const MAX_LAYER: u64 = 16 << 30;
/// The most bytes one layer may inflate to.
pub const MAX_LAYER_INFLATED: u64 = 32 << 30;
/// A layer that inflates to more than this many times its size is cut there …
pub const MAX_RATIO: u64 = 200;
/// … once it has grown past this many bytes: small files of zeros are honest.
pub const RATIO_GRACE: u64 = 2 << 30;
/// The most entries of one layer that are looked at; eight bytes are kept for each.
pub const MAX_LAYER_ENTRIES: usize = 3_500_000;
/// The most entries of all layers of one image that are looked at. Images of whole development environments have a million.
pub const MAX_IMAGE_ENTRIES: usize = 4_000_000;
/// The longest path or link target, in bytes (PATH_MAX of Linux).
pub const MAX_PATH: usize = 4_096;
/// The largest extended header (PAX, GNU long name), in bytes: what Go's archive/tar accepts, which container runtimes use.
pub const MAX_TAR_EXTENSION: u64 = 1 << 20;
/// The largest single file that is read whole, in bytes: package databases, metadata.
pub const MAX_FILE: u64 = 32 << 20;
/// Of larger files than this, in bytes, one is held at a time in the whole process: two layers that are read side by side have their large
/// files one after the other.
pub const MAX_HELD_BESIDE: usize = 8 << 20;
/// The largest Java archive that is read, in bytes: it is held whole, for its directory stands at its end.
pub const MAX_ARCHIVE: u64 = 96 << 20;
/// How deep archives in archives are read.
pub const MAX_ARCHIVE_DEPTH: usize = 5;
/// The most entries of one archive and all within it that are looked at.
pub const MAX_ARCHIVE_ENTRIES: usize = 500_000;
/// The most archives within one that are read.
pub const MAX_ARCHIVES: usize = 5_000;
/// The most bytes that are inflated and looked through in one archive and all within it: about three seconds.
pub const MAX_ARCHIVE_WORK: u64 = 1 << 30;
/// The most bytes of inflated archives that are held at one time for one file.
pub const MAX_HELD_ARCHIVES: u64 = 32 << 20;
/// The largest manifest or Maven file in an archive, in bytes.
pub const MAX_ARCHIVE_TEXT: u64 = 1 << 20;
/// The most packages that one file tells of.
pub const MAX_LISTED: usize = 20_000;
/// The longest name kept of an archive in an archive, in characters.
pub const MAX_WITHIN: usize = 512;
/// The most reasons kept of what one file tells only in part.
pub const MAX_UNREAD: usize = 100;
/// The largest rpm database that is read, in bytes.
pub const MAX_RPM_DATABASE: u64 = 128 << 20;
/// The largest header of one package in an rpm database, in bytes: kernels' come to three MiB.
pub const MAX_RPM_HEADER: usize = 16 << 20;
/// The most bytes of paths that the packages of one rpm database own. Eight bytes are kept for each path.
pub const MAX_OWNED_PATHS: usize = 128 << 20;
/// The most bytes of facts kept per layer until all layers are merged.
pub const MAX_KEPT: usize = 48 << 20;
/// How long a pod waits before it asks again about an image whose manifest another pod of the Job reads.
pub const PENDING_PAUSE: Duration = Duration::from_secs(1);
/// The most bytes of facts kept of the layers that images of one Job share …
pub const MAX_CACHED_LAYERS: usize = 48 << 20;
/// … and of one of them: base layers come to two or three MiB.
pub const MAX_CACHED_LAYER: usize = 12 << 20;
/// The most bytes of facts kept of all layers of one image. With eight bytes for each of its entries and the largest file that is read
/// whole, a scan stays below the 256 MiB that its pod has.
pub const MAX_IMAGE_KEPT: usize = 64 << 20;
/// What the note of one file costs beside what it says, in bytes.
pub const FILE_OVERHEAD: usize = 192;
/// What is reported as unread of a layer even where nothing more can be kept, in items.
pub const MIN_UNREAD_ITEMS: usize = 10;
/// The largest table of a package in a lock file of TOML, in bytes.
pub const MAX_LOCK_ENTRY: usize = 256 << 10;
/// The largest lock file, in bytes.
pub const MAX_LOCK: usize = 8 << 20;
/// The largest embedded Go module list, in bytes.
pub const MAX_BUILD_INFO: usize = 4 << 20;
/// The most packages that are linked into one Go program; of those with more it is not known what is linked. The largest known ones have
/// some five thousand.
pub const MAX_LINKED_PACKAGES: usize = 20_000;
/// How much is read of the name of a function, in bytes.
pub const MAX_FUNCTION_NAME: usize = 4_096;
/// The largest zstd window, as a power of two: the decoder allocates that much.
pub const MAX_ZSTD_WINDOW_LOG: u32 = 25;
/// The largest program that is held whole, in bytes: what Rust's and older Go linkers leave is found by way of its section headers, which
/// stand at its end.
pub const MAX_HELD_PROGRAM: u64 = 32 << 20;
/// The most sections of a program that are looked at.
pub const MAX_SECTIONS: usize = 512;
/// The largest embedded list of Rust crates, inflated, in bytes.
pub const MAX_CRATE_LIST: u64 = 8 << 20;
/// Layers that are read at the same time.
pub const PARALLEL_LAYERS: usize = 2;
/// Pieces of a layer that wait for the analysis; the network waits when they are used up.
pub const WAITING_PIECES: usize = 16;

/// The longest package name kept, in characters.
pub const MAX_NAME: usize = 256;
/// The longest version kept, in characters.
pub const MAX_VERSION: usize = 128;
/// The longest string of an image's configuration kept (label value, argument, build instruction), in characters.
pub const MAX_CONFIG_TEXT: usize = 512;
/// The most items of each list of an image's configuration.
pub const MAX_CONFIG_ITEMS: usize = 128;
/// The most licences of one package.
pub const MAX_LICENSES: usize = 16;
/// The longest licence statement, in characters.
pub const MAX_LICENSE: usize = 1_024;
/// The longest chain of links followed.
pub const MAX_LINKS: usize = 8;

/// The largest page of a list of tags, in bytes.
pub const MAX_TAG_PAGE: usize = 4 << 20;
/// Tags that are asked for in one page; registries may give fewer.
pub const TAGS_PER_PAGE: usize = 1_000;
/// The most pages of one list of tags.
pub const MAX_TAG_PAGES: usize = 1_000;

/// The most referrers of one image that are listed.
pub const MAX_REFERRERS: usize = 200;
/// The most pages of one list of referrers.
pub const MAX_REFERRER_PAGES: usize = 20;

/// The largest answer of a program that knows credentials, in bytes.
pub const MAX_PROGRAM_OUTPUT: u64 = 1 << 20;
/// Longest time such a program may take: the kubelet's.
pub const PROGRAM_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer of a token endpoint, in bytes.
pub const MAX_TOKEN: usize = 64 << 10;
/// The largest docker configuration file, in bytes.
pub const MAX_CREDENTIALS: usize = 1 << 20;
/// The most hops one request is redirected.
pub const MAX_REDIRECTS: usize = 5;
/// How often one request is tried in all.
pub const MAX_ATTEMPTS: u32 = 3;
/// How often a blob is taken up again after its connection broke.
pub const MAX_RESUMES: u32 = 4;
/// The first pause between attempts; it triples.
pub const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// The longest pause a registry's `Retry-After` may ask for before the scan gives up and reports it.
pub const MAX_PAUSE: Duration = Duration::from_secs(30);
/// The largest `Retry-After` that is reported, in seconds: one day.
pub const MAX_RETRY_AFTER: u32 = 86_400;
/// Longest time to connect, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time until an answer's headers arrive.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often one post to intake is tried in all.
pub const MAX_INTAKE_ATTEMPTS: u32 = 7;
/// The largest answer of intake, in bytes.
pub const MAX_INTAKE_ANSWER: usize = 1 << 20;
