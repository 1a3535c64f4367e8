use serde::{Deserialize, Serialize};

use super::is_loopback;

/// `[tracing]`: export of traces (OpenTelemetry) that show each step of joining a visit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracingConfig {
    /// OTLP over HTTP collector, such as `https://collector.example.org`. Traces are sent to its `/v1/traces`. Plain
    /// `http` is allowed only to the local machine. Absent: tracing is disabled. Traces contain no personal data.
    pub otlp_endpoint: Option<String>,
}

impl TracingConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        match &self.otlp_endpoint {
            Some(endpoint) if !is_endpoint(endpoint) => Err(format!(
                "tracing.otlp_endpoint: {endpoint:?} is not a collector URL; use https://collector.example.org, or http://127.0.0.1:4318 for one on this machine"
            )),
            Some(_) | None => Ok(()),
        }
    }
}

fn is_endpoint(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        Some(_) | None => authority,
    };
    let plain = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]/_".contains(&b));
    let safe = scheme == "https" || (scheme == "http" && is_loopback(host));
    safe && plain && !host.is_empty() && !rest.ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_to_an_address_over_tls_or_stay_on_this_machine() {
        let check = |endpoint: &str| TracingConfig { otlp_endpoint: Some(endpoint.to_owned()) }.validate();
        assert_eq!(TracingConfig::default().validate(), Ok(()));
        for good in [
            "http://127.0.0.1:4318",
            "http://localhost:4318/otlp",
            "http://[::1]:4318",
            "https://collector.example.org",
            "https://collector.example.org:4318/otlp",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:4318",
            "http://",
            "https://",
            "https://:4318",
            "http://127.0.0.1:4318/",
            "http://collector.example.org:4318",
            "http://localhost.example.org",
            "grpc://127.0.0.1",
            "https://a b",
            "https://a?b",
            "https://user@a",
        ] {
            assert!(check(bad).is_err_and(|fault| fault.starts_with("tracing.otlp_endpoint: ")), "{bad}");
        }
    }
}
