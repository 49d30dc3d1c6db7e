#![no_main]
//! The operator's configuration. What is accepted is accepted again as it is written.
use breakwater_operator::config;

libfuzzer_sys::fuzz_target!(|yaml: &str| {
    if let Ok(config) = config::parse(yaml) {
        assert_eq!(config::parse(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    }
});
