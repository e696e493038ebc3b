//! Addresses that a job used are free for the next job at once.

use crate::fixture::raw;
use crate::fixture::{Slot, inside, ready, skip, until_killed};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, UnixAddr,
    accept, bind, connect, listen, socket,
};
use std::io::Read;
use std::net::{SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// The number of rounds: an address may stay occupied for only a few milliseconds.
const ROUNDS: usize = 20;

/// Binds a socket as C programs do, without the `SO_REUSEADDR` of Rust's listeners.
fn bound(kind: SockType, address: &dyn SockaddrLike) -> OwnedFd {
    let socket = socket(
        address.family().unwrap(),
        kind,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(socket.as_raw_fd(), address).unwrap_or_else(|error| panic!("the port is held: {error}"));
    if kind == SockType::Stream {
        listen(&socket, Backlog::new(8).unwrap()).unwrap();
    }
    socket
}

fn ipv4() -> SockaddrIn {
    SocketAddrV4::new([127, 0, 0, 1].into(), 4321).into()
}

fn ipv6() -> SockaddrIn6 {
    SocketAddrV6::new(1u128.to_be_bytes().into(), 4321, 0, 0).into()
}

fn abstract_name() -> UnixAddr {
    UnixAddr::new_abstract(b"held").unwrap()
}

/// Binds sockets to addresses of all kinds, and returns them open.
fn hold_all() -> Vec<OwnedFd> {
    vec![
        bound(SockType::Stream, &ipv4()),
        bound(SockType::Datagram, &ipv4()),
        bound(SockType::Stream, &ipv6()),
        bound(SockType::Datagram, &ipv6()),
        bound(SockType::Stream, &abstract_name()),
        bound(SockType::Stream, &UnixAddr::new("/tmp/held").unwrap()),
    ]
}

/// Runs the same job again and again.
fn one_after_another(role: &str) {
    let mut slot = Slot::start();
    for _ in 0..ROUNDS {
        slot.job(role).run().succeeds();
    }
}

#[test]
fn a_port_held_by_a_job_is_free_for_the_next() {
    inside("hold", || std::mem::forget(hold_all()));
    one_after_another("hold");
}

#[test]
fn two_jobs_hold_the_same_ports_at_once() {
    inside("hold", || {
        let _held = hold_all();
        ready();
        until_killed();
    });
    inside("hold too", || drop(hold_all()));
    let (mut one, mut other) = (Slot::start(), Slot::start());
    one.job("hold")
        .abandon_after(|_| other.job("hold too").run().succeeds());
}

/// Accepts one connection and closes it first, which keeps its port in
/// `TIME_WAIT` on every network where that is not switched off.
fn close_first(address: &dyn SockaddrLike) {
    let listener = bound(SockType::Stream, address);
    let family: AddressFamily = address.family().unwrap();
    let client = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    connect(client.as_raw_fd(), address).unwrap();
    // SAFETY: accept has just made this descriptor.
    let server = unsafe { OwnedFd::from_raw_fd(accept(listener.as_raw_fd()).unwrap()) };
    drop(server);
    let mut client = std::fs::File::from(client);
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the server has closed");
}

#[test]
fn a_port_whose_server_closed_first_is_free_for_the_next_job() {
    inside("serve", || {
        close_first(&ipv4());
        close_first(&ipv6());
    });
    one_after_another("serve");
}

#[test]
fn a_listener_held_by_an_io_uring_does_not_outlive_its_job() {
    inside("hold", || {
        let listeners = [
            bound(SockType::Stream, &ipv4()),
            bound(SockType::Stream, &abstract_name()),
        ];
        for listener in listeners {
            std::mem::forget(raw::ring_holding(listener.as_fd()).unwrap());
        }
    });
    if raw::ring_holding(std::io::stdin().as_fd()).is_err() {
        return skip("needs io_uring");
    }
    one_after_another("hold");
}

#[test]
fn a_listener_sent_to_a_socket_that_nobody_reads_does_not_outlive_its_job() {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, socketpair};
    inside("hold", || {
        let listener = bound(SockType::Stream, &ipv4());
        let (one, other) = socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .unwrap();
        // Each end is in the queue of the other: a cycle that only the kernel's
        // garbage collector can find.
        for (from, what) in [(&one, &other), (&other, &one), (&one, &listener)] {
            let descriptors = [what.as_raw_fd()];
            let control = [ControlMessage::ScmRights(&descriptors)];
            let bytes = [std::io::IoSlice::new(b"x")];
            sendmsg::<()>(from.as_raw_fd(), &bytes, &control, MsgFlags::empty(), None).unwrap();
        }
    });
    one_after_another("hold");
}
