//! Certificates to trust, and proxies.

use std::path::Path;
use std::sync::LazyLock;

use ureq::Proxy;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

use crate::settings::BadSetting;

/// Returns the certificates to trust: those of the file at `path`, if there is one. Otherwise those of the operating
/// system, which may include a company's own, and Mozilla's, because a minimal system has none.
pub(crate) fn trusted(path: Option<&Path>) -> Result<TlsConfig, BadSetting> {
    let Some(path) = path else {
        static USUAL: LazyLock<RootCerts> = LazyLock::new(|| {
            let own = rustls_native_certs::load_native_certs().certs;
            let known = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
            let all = own.iter().chain(known);
            RootCerts::from(all.map(|found| Certificate::from_der(found).to_owned()))
        });
        return Ok(TlsConfig::builder().root_certs(USUAL.clone()).build());
    };
    let bad = |problem: String| BadSetting {
        setting: "SSL_CERT_FILE",
        value: path.display().to_string(),
        problem,
    };
    let text = std::fs::read(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
    let certificates: Vec<_> = ureq::tls::parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(bad("contains no PEM certificates".to_owned()));
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::from(certificates)).build())
}

/// Reads the address of a proxy, which the variable `setting` has.
pub(crate) fn proxy(
    setting: &'static str,
    address: &str,
    no_proxy: &str,
) -> Result<Proxy, BadSetting> {
    // The address may contain a password, which must not end up in a log.
    let bad = |_| BadSetting {
        setting,
        value: address.rsplit('@').next().unwrap_or_default().to_owned(),
        problem: "is not the address of a proxy".to_owned(),
    };
    let parsed = Proxy::new(address).map_err(bad)?;
    let mut builder = Proxy::builder(parsed.protocol()).host(parsed.host()).port(parsed.port());
    if let Some(name) = parsed.username() {
        builder = builder.username(name);
    }
    if let Some(password) = parsed.password() {
        builder = builder.password(password);
    }
    for entry in no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        builder = builder.no_proxy(entry);
        // Like curl: a domain also covers its subdomains.
        if !entry.starts_with(['.', '*']) {
            builder = builder.no_proxy(&format!(".{entry}"));
        }
    }
    builder.build().map_err(bad)
}
