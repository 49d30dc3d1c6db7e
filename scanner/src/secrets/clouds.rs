//! Credentials of cloud providers. Forms: the providers' documentation of their credentials.

use super::token::{Token, alphanumeric, base64, base64url, hex, upper};

pub(super) const TOKENS: &[Token] = &[
    Token::new("aws-access-key-id", "AKIA", upper, 16..=16),
    Token::new("aws-access-key-id", "ASIA", upper, 16..=16),
    Token::new("gcp-api-key", "AIza", base64url, 35..=35),
    Token::new("gcp-oauth-client-secret", "GOCSPX-", base64url, 28..=28),
    // 64 bytes, as connection strings carry them.
    Token::new("azure-storage-key", "AccountKey=", base64, 88..=88).only_if(|key| key.ends_with(b"==")),
    Token::new("azure-service-bus-key", "SharedAccessKey=", base64, 44..=44)
        .only_if(|key| key.ends_with(b"=")),
    Token::new("digitalocean-token", "dop_v1_", hex, 64..=64),
    Token::new("digitalocean-token", "doo_v1_", hex, 64..=64),
    Token::new("digitalocean-token", "dor_v1_", hex, 64..=64),
    Token::new("databricks-token", "dapi", hex, 32..=32),
    Token::new("vault-token", "hvs.", base64url, 24..=160),
    Token::new("alibaba-access-key-id", "LTAI", alphanumeric, 16..=24),
];
