//! The flags that lead around kube-apiserver, to the gateway's own door.

use std::path::PathBuf;

use clap::Args;

/// `--direct` and what belongs to it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DirectArgs {
    /// Use the grant at the gateway's own address, e.g. https://brevet.example.com; your credential stays the same
    #[arg(long, value_name = "URL", value_parser = read)]
    pub(crate) direct: Option<String>,

    /// The CA of that address [default: those that the system trusts]
    #[arg(long, value_name = "FILE", requires = "direct")]
    pub(crate) direct_ca: Option<PathBuf>,
}

/// An https address, without the slash at its end.
fn read(text: &str) -> Result<String, String> {
    let address = text.trim_end_matches('/');
    let url: http::Uri = address.parse().map_err(|error| format!("it is no URL: {error}"))?;
    if url.scheme_str() != Some("https") || url.query().is_some() {
        return Err("it must begin with https:// and have no query".to_owned());
    }
    Ok(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_direct_address_is_https() {
        assert_eq!(read("https://gw.example:8443/").unwrap(), "https://gw.example:8443");
        assert_eq!(read("https://gw.example/brevet").unwrap(), "https://gw.example/brevet");
        for text in ["http://gw.example", "gw.example", "https://gw.example?x", "https://", ""] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
