use serde::{Deserialize, Serialize};

/// `[tracing]`: where it is told how pages come to their media, step by step (OpenTelemetry).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracingConfig {
    /// A collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`: traces go to `/v1/traces` there. Absent:
    /// nothing is traced. No trace has anything of people's in it.
    pub otlp_endpoint: Option<String>,
}

impl TracingConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        let Some(endpoint) = &self.otlp_endpoint else { return Ok(()) };
        let authority = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]/_".contains(&b));
        match authority {
            Some(authority) if plain(authority) && !endpoint.ends_with('/') => Ok(()),
            Some(_) | None => Err(format!(
                "tracing.otlp_endpoint: {endpoint:?} is no address of a collector; write one like http://127.0.0.1:4318"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_without_its_path() {
        let check = |endpoint: &str| TracingConfig { otlp_endpoint: Some(endpoint.to_owned()) }.validate();
        assert_eq!(TracingConfig::default().validate(), Ok(()));
        for good in ["http://127.0.0.1:4318", "https://collector.example.org", "http://[::1]:4318/otlp"] {
            assert_eq!(check(good), Ok(()));
        }
        for bad in
            ["", "127.0.0.1:4318", "http://", "http://collector/", "grpc://collector", "http://a b", "http://a?b"]
        {
            assert!(check(bad).is_err_and(|fault| fault.starts_with("tracing.otlp_endpoint: ")), "{bad}");
        }
    }
}
