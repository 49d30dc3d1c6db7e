//! The wall that no scanner can go through: the scanner's decoder and both digests of each layer, two layers at a time, and nothing else.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use flate2::bufread::MultiGzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

const BUFFER: usize = 128 << 10;

/// Bottom first.
fn layers(layout: &Path) -> Vec<PathBuf> {
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().expect("a digest");
        layout.join("blobs").join(digest.replace(':', "/"))
    };
    let index = read(&layout.join("index.json"));
    let manifest = read(&blob(&index["manifests"][0]));
    manifest["layers"].as_array().expect("layers").iter().map(blob).collect()
}

pub(crate) fn describe(layout: &Path) -> String {
    let layers = layers(layout);
    let size: u64 = layers.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    format!("bench-app: {} layers, {} MB compressed", layers.len(), size / 1_000_000)
}

pub(crate) fn read(layout: &Path) {
    let layers = Arc::new(Mutex::new(VecDeque::from(layers(layout))));
    let threads = [(); 2].map(|()| {
        let layers = Arc::clone(&layers);
        std::thread::spawn(move || {
            let mut size = 0;
            while let Some(path) = { layers.lock().unwrap().pop_front() } {
                size += inflate(&path);
            }
            size
        })
    });
    let size: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    println!("{size}");
}

fn inflate(path: &Path) -> usize {
    let from = BufReader::with_capacity(BUFFER, File::open(path).unwrap());
    let mut decoder = MultiGzDecoder::new(Hashed { from, hash: Sha256::new() });
    let (mut buffer, mut hash, mut size) = (vec![0; BUFFER], Sha256::new(), 0);
    loop {
        let got = decoder.read(&mut buffer).expect("gzip");
        if got == 0 {
            break;
        }
        hash.update(&buffer[..got]);
        size += got;
    }
    let digest = hex::encode(decoder.into_inner().hash.finalize());
    assert!(path.ends_with(digest), "the layer is what its name says");
    std::hint::black_box(hash.finalize());
    size
}

/// Hashes what is consumed.
struct Hashed<R> {
    from: R,
    hash: Sha256,
}

impl<R: BufRead> Read for Hashed<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(to)?;
        self.consume(got);
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Hashed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.from.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // A buffer that is not empty is answered as it is.
        let bytes = self.from.fill_buf().expect("the buffer that was just answered");
        self.hash.update(&bytes[..amount]);
        self.from.consume(amount);
    }
}
