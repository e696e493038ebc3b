//! The network of a job, which the job cannot change.

use crate::fixture::raw;
use crate::fixture::{Refused, Slot, in_a_container, in_containers_as_any_user, inside};
use maelstrom::container::NetworkKind;
use nix::libc;
use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, UdpSocket};

fn interfaces() -> Vec<String> {
    let table = fs::read_to_string("/proc/net/dev").unwrap();
    let names = table
        .lines()
        .skip(2)
        .filter_map(|line| line.split(':').next());
    names.map(|name| name.trim().to_owned()).collect()
}

#[test]
fn a_loopback_network_has_the_loopback_interface_up() {
    in_a_container(|| {
        assert!(interfaces().contains(&"lo".to_owned()));
        assert!(!interfaces().contains(&"eth0".to_owned()));
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        }
    });
}

#[test]
fn a_disabled_network_reaches_nothing() {
    inside("job", || {
        let error = TcpStream::connect("127.0.0.1:9").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
    });
    Slot::with_network(NetworkKind::Disabled)
        .job("job")
        .run()
        .succeeds();
}

fn own_network() -> String {
    fs::read_link("/proc/self/ns/net")
        .unwrap()
        .display()
        .to_string()
}

#[test]
fn a_local_network_is_that_of_the_client() {
    inside("job", || {
        assert_eq!(own_network(), std::env::var("NETWORK").unwrap());
    });
    let mut slot = Slot::with_network(NetworkKind::Local);
    // There is no sysfs that a job could have.
    slot.job("job")
        .without_sys()
        .tell("NETWORK", own_network())
        .run()
        .succeeds();
}

#[test]
fn every_namespace_but_those_of_time_and_control_groups_is_a_jobs_own() {
    const NAMESPACES: [&str; 6] = ["ipc", "mnt", "net", "pid", "user", "uts"];
    let namespace = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
    inside("job", || {
        for name in NAMESPACES {
            let theirs = std::env::var(name).unwrap();
            assert_ne!(namespace(name).display().to_string(), theirs, "{name}");
        }
    });
    let mut slot = Slot::start();
    let mut job = slot.job("job");
    for name in NAMESPACES {
        job = job.tell(name, namespace(name).display());
    }
    job.run().succeeds();
}

#[test]
fn a_local_network_cannot_be_changed() {
    inside("job", || change_nothing());
    let mut slot = Slot::with_network(NetworkKind::Local);
    for user in [1000, 0] {
        slot.job("job").without_sys().user(user).run().succeeds();
    }
}

#[test]
fn the_network_cannot_be_changed() {
    in_containers_as_any_user(|| change_nothing());
}

/// Tries to add an interface, take one down, and add an address and a route.
fn change_nothing() {
    // struct ifinfomsg, then the attribute IFLA_LINKINFO with a kind of dummy.
    let mut link = vec![0; 16];
    link.extend_from_slice(&attribute(18, &attribute(1, b"dummy\0")));
    raw::ask_netlink(libc::RTM_NEWLINK, &link).must_be_refused("add an interface");
    // struct ifinfomsg: interface 1, flags none of which IFF_UP is to change.
    let mut down = vec![0; 16];
    down[4] = 1;
    down[12] = libc::IFF_UP as u8;
    raw::ask_netlink(libc::RTM_NEWLINK, &down).must_be_refused("take an interface down");
    // struct ifaddrmsg: IPv4, a prefix of 8 bits, interface 1.
    let mut address = vec![libc::AF_INET as u8, 8, 0, 0, 1, 0, 0, 0];
    address.extend_from_slice(&attribute(libc::IFA_LOCAL, &[10, 0, 0, 1]));
    raw::ask_netlink(libc::RTM_NEWADDR, &address).must_be_refused("add an address");
    // struct rtmsg: IPv4, all destinations, the main table, a unicast route.
    let mut route = vec![libc::AF_INET as u8, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
    route.extend_from_slice(&attribute(libc::RTA_OIF, &[1, 0, 0, 0]));
    raw::ask_netlink(libc::RTM_NEWROUTE, &route).must_be_refused("add a route");
}

/// An attribute of a netlink message.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len();
    let mut bytes = (length as u16).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

#[test]
fn raw_sockets_are_refused() {
    in_containers_as_any_user(|| {
        for (family, protocol) in [(libc::AF_INET, libc::IPPROTO_TCP), (libc::AF_PACKET, 0)] {
            raw::raw_socket(family, protocol).must_be_refused("open a raw socket");
        }
    });
}

#[test]
fn multicast_memberships_end_with_their_job() {
    // 239.1.2.3 as the kernel prints it.
    const GROUP: &str = "030201EF";
    let groups = || fs::read_to_string("/proc/net/igmp").unwrap();
    inside("join", || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let group = "239.1.2.3".parse().unwrap();
        socket
            .join_multicast_v4(&group, &"127.0.0.1".parse().unwrap())
            .unwrap();
        assert!(groups().contains(GROUP), "{}", groups());
        std::mem::forget(socket);
    });
    inside("look", || {
        assert!(!groups().contains(GROUP), "{}", groups());
    });
    let mut slot = Slot::start();
    for _ in 0..10 {
        slot.job("join").run().succeeds();
        slot.job("look").run().succeeds();
    }
}
