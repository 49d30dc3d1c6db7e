/// What a scan looks for besides packages, software and special files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanOptions {
    /// Secrets in files and in the image configuration. Without it every text in the image is passed over unread, which is faster.
    pub secrets: bool,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { secrets: true }
    }
}
