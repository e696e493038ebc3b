//! Addresses of sockets, as system calls have them.

use nix::libc;
use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The largest address: `struct sockaddr_storage`.
pub const LARGEST: usize = 128;

/// An address beyond the loopback interface that a process used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressUse {
    pub call: SocketCall,
    pub address: SocketAddr,
}

/// The call that an address was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum SocketCall {
    Connect,
    Bind,
    Send,
}

/// An address that a record is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address of another machine, or of an interface other than loopback.
    Beyond(SocketAddr),
    /// The file of a Unix socket.
    File(PathBuf),
}

/// Decodes a `struct sockaddr`. `None` for loopback addresses, for unspecified ones, and for
/// other kinds of sockets.
pub fn decode(bytes: &[u8]) -> Option<Address> {
    let (family, rest) = bytes.split_first_chunk()?;
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_UNIX => {
            // An abstract name begins with a NUL, and an unnamed socket has no path at all.
            let path = rest.split(|byte| *byte == 0).next()?;
            (!path.is_empty()).then(|| Address::File(OsStr::from_bytes(path).into()))
        }
        libc::AF_INET => {
            let (port, rest) = rest.split_first_chunk()?;
            let (ip, _) = rest.split_first_chunk::<4>()?;
            beyond(Ipv4Addr::from(*ip).into(), u16::from_be_bytes(*port))
        }
        libc::AF_INET6 => {
            let (port, rest) = rest.split_first_chunk()?;
            let (_flow, rest) = rest.split_first_chunk::<4>()?;
            let (ip, _scope) = rest.split_first_chunk::<16>()?;
            beyond(Ipv6Addr::from(*ip).into(), u16::from_be_bytes(*port))
        }
        _ => None,
    }
}

fn beyond(ip: IpAddr, port: u16) -> Option<Address> {
    let ip = ip.to_canonical();
    let is_here = ip.is_loopback() || ip.is_unspecified();
    (!is_here).then(|| Address::Beyond(SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inet(ip: [u8; 4]) -> Vec<u8> {
        let family = (libc::AF_INET as u16).to_ne_bytes();
        [&family[..], &[1, 187], &ip, &[0; 8]].concat()
    }

    fn inet6(ip: &str) -> Vec<u8> {
        let family = (libc::AF_INET6 as u16).to_ne_bytes();
        let ip: Ipv6Addr = ip.parse().unwrap();
        [&family[..], &[0, 53], &[0; 4], &ip.octets(), &[0; 4]].concat()
    }

    fn unix(path: &[u8]) -> Vec<u8> {
        [&(libc::AF_UNIX as u16).to_ne_bytes()[..], path].concat()
    }

    #[test]
    fn addresses_beyond_loopback_are_decoded() {
        let beyond = |text: &str| Some(Address::Beyond(text.parse().unwrap()));
        assert_eq!(decode(&inet([192, 0, 2, 1])), beyond("192.0.2.1:443"));
        assert_eq!(decode(&inet6("2001:db8::1")), beyond("[2001:db8::1]:53"));
        assert_eq!(decode(&inet6("::ffff:192.0.2.1")), beyond("192.0.2.1:53"));
    }

    #[test]
    fn addresses_of_this_machine_are_not() {
        for address in [
            inet([127, 0, 0, 1]),
            inet([127, 9, 9, 9]),
            inet([0, 0, 0, 0]),
            inet6("::1"),
            inet6("::"),
            inet6("::ffff:127.0.0.1"),
            unix(b"\0abstract"),
            unix(b""),
            vec![16, 0, 0, 0],
        ] {
            assert_eq!(decode(&address), None, "{address:?}");
        }
    }

    #[test]
    fn unix_sockets_are_files() {
        let file = Some(Address::File("/run/x".into()));
        assert_eq!(decode(&unix(b"/run/x\0rest")), file);
        assert_eq!(decode(&unix(b"/run/x")), file);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded(bytes in prop::collection::vec(any::<u8>(), 0..LARGEST)) {
            let _ = decode(&bytes);
        }
    }
}
