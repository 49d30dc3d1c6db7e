//! Tokens of code forges and of package and image registries. Forms: the forges' documentation of their token prefixes.

use super::token::{Token, alphanumeric, base64url, dotted, hex, letters, word};

pub(super) const TOKENS: &[Token] = &[
    Token::new("github-token", "ghp_", alphanumeric, 36..=251),
    Token::new("github-token", "gho_", alphanumeric, 36..=251),
    Token::new("github-token", "ghu_", alphanumeric, 36..=251),
    Token::new("github-token", "ghs_", alphanumeric, 36..=251),
    Token::new("github-token", "ghr_", alphanumeric, 36..=251),
    Token::new("github-token", "github_pat_", word, 60..=255),
    Token::new("gitlab-token", "glpat-", dotted, 20..=64),
    Token::new("gitlab-token", "gldt-", dotted, 20..=64),
    Token::new("gitlab-token", "glrt-", dotted, 20..=64),
    Token::new("gitlab-token", "glptt-", dotted, 40..=64),
    Token::new("npm-token", "npm_", alphanumeric, 36..=36),
    Token::new("pypi-token", "pypi-AgE", base64url, 60..=512),
    Token::new("rubygems-token", "rubygems_", hex, 48..=48),
    Token::new("docker-hub-token", "dckr_pat_", base64url, 24..=40),
    Token::new("docker-hub-token", "dckr_oat_", base64url, 24..=40),
    Token::new("hugging-face-token", "hf_", letters, 34..=34),
];
