//! A file that is joined to the advisories: read whole, gzip or not, up to a bound.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};
use std::path::Path;

/// Reads the file; more than `max` bytes, packed or not, are an error.
pub(crate) fn read(path: &Path, max: u64) -> Result<Vec<u8>> {
    let mut file = BufReader::new(File::open(path)?);
    let is_gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let mut bytes = Vec::new();
    if is_gzip {
        flate2::bufread::MultiGzDecoder::new(file).take(max + 1).read_to_end(&mut bytes)?;
    } else {
        file.take(max + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > max {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is larger than {max} bytes")));
    }
    Ok(bytes)
}

/// The lines of a CSV file as fields; comments (`#`) and empty lines are left out. Fields here never hold quotes or commas.
pub(crate) fn rows(csv: &[u8]) -> impl Iterator<Item = Vec<&str>> {
    csv.split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(',').map(|field| field.trim().trim_matches('"')).collect())
}
