//! `--output FORMAT[=FILE]`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, TypedValueParser, ValueParserFactory};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, ValueEnum};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: grouped by package, 80 columns
    Table,
    /// For programs: versioned, documented
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// CycloneDX 1.6 (JSON), with vulnerabilities
    Cyclonedx,
    /// SPDX 2.3 (JSON)
    Spdx,
    /// JUnit XML, for test reports of CI systems
    Junit,
    /// One page, for browsers and printers
    Html,
}

/// One output of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) format: Format,
    /// Absent: standard output.
    pub(crate) file: Option<PathBuf>,
}

/// Reads a [`Target`]; tells help and completions which formats there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetParser;

impl TypedValueParser for TargetParser {
    type Value = Target;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Target, clap::Error> {
        let text =
            value.to_str().ok_or_else(|| clap::Error::new(ErrorKind::InvalidUtf8).with_cmd(command))?;
        let (format, file) = match text.split_once('=') {
            Some((format, file)) => (format, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let empty = file.as_ref().is_some_and(|file| file.as_os_str().is_empty());
        match Format::from_str(format, true) {
            Ok(format) if !empty => Ok(Target { format, file }),
            _ => Err(refusal(command, arg, text)),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Format::value_variants().iter().filter_map(ValueEnum::to_possible_value)))
    }
}

impl ValueParserFactory for Target {
    type Parser = TargetParser;

    fn value_parser() -> TargetParser {
        TargetParser
    }
}

fn refusal(command: &Command, arg: Option<&Arg>, text: &str) -> clap::Error {
    let mut error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(command);
    if let Some(arg) = arg {
        error.insert(ContextKind::InvalidArg, ContextValue::String(arg.to_string()));
    }
    error.insert(ContextKind::InvalidValue, ContextValue::String(text.to_owned()));
    let formats = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let formats = formats.map(|format| format.get_name().to_owned()).collect();
    error.insert(ContextKind::ValidValue, ContextValue::Strings(formats));
    error
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::Parser;

    use super::{Format, Target};
    use crate::arguments::{Arguments, Command};

    fn outputs(arguments: &[&str]) -> Result<Vec<Target>, String> {
        let line = ["breakwater", "scan", "app"].iter().chain(arguments);
        match Arguments::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Command::Scan(scan) => Ok(scan.output),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn formats_go_to_files_or_standard_output() {
        let target = |format, file: Option<&str>| Target { format, file: file.map(PathBuf::from) };
        assert_eq!(outputs(&[]), Ok(vec![target(Format::Table, None)]));
        assert_eq!(
            outputs(&["-o", "sarif=a=b.sarif", "-o", "table"]),
            Ok(vec![target(Format::Sarif, Some("a=b.sarif")), target(Format::Table, None)])
        );
        assert!(outputs(&["-o", "pdf"]).unwrap_err().contains("cyclonedx"));
        assert!(outputs(&["-o", "sarif="]).is_err());
    }
}
