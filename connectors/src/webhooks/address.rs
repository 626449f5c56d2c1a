//! Which addresses may be called.
//!
//! A client chooses the address of its endpoint, so without a check it could make the server call
//! services that only the server can reach. The text of a url is checked when it is given; what its
//! host resolves to is checked at every connection, since it may change in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

const URL_CHARS_MAX: usize = 2_000;

/// Why a url is no address for deliveries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a url at all.
    #[error("field 'url' is not an absolute url: {0}")]
    Unreadable(String),
    /// Too long.
    #[error("field 'url' has {0} characters, {URL_CHARS_MAX} at most")]
    TooLong(usize),
    /// Another scheme than `https`.
    #[error("field 'url' must begin with https://, not {0}://")]
    Scheme(String),
    /// A user or password in it.
    #[error("field 'url' must have no user and password: deliveries are signed instead")]
    UserInfo,
    /// A fragment in it.
    #[error("field 'url' must have no fragment (#...): it is never sent")]
    Fragment,
    /// An address that is not public.
    #[error("{0} is not a public address, and this server delivers to public ones only")]
    NotPublic(IpAddr),
    /// Plain `http` to a public address.
    #[error("{0} is a public address: deliver to it by https, plain http is for private networks")]
    PlainToPublic(IpAddr),
}

/// Reads and checks the url of an endpoint, as far as can be told from its text.
pub fn check_url(text: &str, allow_private: bool) -> Result<Url, UrlError> {
    let length = text.chars().count();
    if length > URL_CHARS_MAX {
        return Err(UrlError::TooLong(length));
    }
    let url = Url::parse(text).map_err(|error| UrlError::Unreadable(error.to_string()))?;
    let is_known = url.scheme() == "https" || (url.scheme() == "http" && allow_private);
    if !is_known {
        return Err(UrlError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    check_literal(&url, allow_private)?;
    Ok(url)
}

/// Checks a host that is an address already, and so is never resolved.
fn check_literal(url: &Url, allow_private: bool) -> Result<(), UrlError> {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => Policy::of(url.scheme(), allow_private).check(address),
        Err(_) => Ok(()),
    }
}

/// What may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Public,
    /// For plain `http`: nothing is sent readable over the internet.
    Private,
    Any,
}

impl Policy {
    pub(super) fn of(scheme: &str, allow_private: bool) -> Self {
        match (scheme, allow_private) {
            ("http", _) => Self::Private,
            (_, true) => Self::Any,
            (_, false) => Self::Public,
        }
    }

    fn check(self, address: IpAddr) -> Result<(), UrlError> {
        match (self, is_public(address)) {
            (Self::Public, false) => Err(UrlError::NotPublic(address)),
            (Self::Private, true) => Err(UrlError::PlainToPublic(address)),
            _ => Ok(()),
        }
    }
}

/// Resolves names, and hands on only the addresses that may be connected to.
pub(super) struct Resolver(pub(super) Policy);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut allowed: Vec<SocketAddr> = Vec::new();
            let mut refused = None;
            for address in found {
                match policy.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                Some(error) if allowed.is_empty() => Err(error.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// Is this an address of a machine on the internet, and no way into a private network?
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // This network; multicast, reserved and broadcast.
        || a == 0
        || a >= 224
        // Carrier-grade NAT, protocol assignments, 6to4 relays, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let s = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        // NAT64 and 6to4 lead to the address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Protocol assignments with Teredo and ORCHID; documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Beyond 2000::/3 nothing is global.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_lead_inside_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "8.8.8.8",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2002:808:808::1",
            "2606:4700:4700::1111",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn urls_are_taken_or_refused_with_a_reason() {
        for (text, strict, private) in [
            ("https://example.com/hook?x=1", true, true),
            ("https://example.com:8443", true, true),
            ("https://8.8.8.8/", true, true),
            ("https://127.0.0.1/", false, true),
            ("https://0x7f.1/", false, true),
            ("https://2130706433/", false, true),
            ("https://[::1]/", false, true),
            ("https://[::ffff:169.254.169.254]/", false, true),
            ("http://127.0.0.1:8080/", false, true),
            ("http://hooks.internal/", false, true),
            ("http://8.8.8.8/", false, false),
            ("ftp://example.com/", false, false),
            ("file:///etc/passwd", false, false),
            ("gopher://127.0.0.1/", false, false),
            ("https://user@example.com/", false, false),
            ("https://user:pass@example.com/", false, false),
            ("https://:pass@example.com/", false, false),
            ("https://example.com/#part", false, false),
            ("/hook", false, false),
            ("https://", false, false),
            ("", false, false),
        ] {
            assert_eq!(check_url(text, false).is_ok(), strict, "{text}");
            assert_eq!(check_url(text, true).is_ok(), private, "{text}, private");
        }
        let long = format!("https://example.com/{}", "x".repeat(2_000));
        assert_eq!(check_url(&long, true), Err(UrlError::TooLong(2_020)));
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_not_connected_to() {
        let refused = Resolver(Policy::Public).resolve("localhost".parse().unwrap());
        let error = refused.await.err().unwrap().to_string();
        assert!(error.contains("not a public address"), "{error}");
        let allowed = Resolver(Policy::Private).resolve("localhost".parse().unwrap());
        assert!(allowed.await.unwrap().count() > 0);
    }
}
