//! The blobs that the engine has, as far as this client knows. So no blob is looked up or sent
//! twice, also by actions that are prepared at the same time.

use crate::store::Digest;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub struct KnownBlobs {
    blobs: Mutex<HashMap<Digest, BlobState>>,
    /// The number of times that each blob was sent.
    sent: Mutex<HashMap<Digest, u64>>,
    /// Notified when a claim ends.
    changed: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlobState {
    /// An action looks the blob up, and sends it if the engine lacks it.
    Claimed,
    Present,
}

/// Blobs that the owner of the claim sends. If the claim is dropped before, other actions may
/// claim them.
#[derive(Debug)]
pub struct Claim<'a> {
    known: &'a KnownBlobs,
    pub blobs: Vec<Digest>,
}

impl KnownBlobs {
    /// Claims the blobs that no other action has claimed and that the engine is not known to have.
    pub fn claim<'a>(&'a self, digests: impl IntoIterator<Item = &'a Digest>) -> Claim<'a> {
        let mut known = self.known();
        let mut blobs = Vec::new();
        for digest in digests {
            known.entry(*digest).or_insert_with(|| {
                blobs.push(*digest);
                BlobState::Claimed
            });
        }
        Claim { known: self, blobs }
    }

    /// Waits until none of the blobs is claimed. Returns whether the engine has all of them.
    pub async fn wait<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> bool {
        let mut waiting: HashSet<Digest> = digests.into_iter().copied().collect();
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Notifications are received from here on.
            changed.as_mut().enable();
            {
                let known = self.known();
                waiting.retain(|digest| known.get(digest) != Some(&BlobState::Present));
                let claimed = |digest| known.get(digest) == Some(&BlobState::Claimed);
                if !waiting.iter().any(claimed) {
                    return waiting.is_empty();
                }
            }
            changed.await;
        }
    }

    /// Forgets that the engine has these blobs, as it may have lost them.
    pub fn forget<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) {
        let mut known = self.known();
        for digest in digests {
            if known.get(digest) == Some(&BlobState::Present) {
                known.remove(digest);
            }
        }
    }

    /// The number of times that these blobs were sent, in total.
    pub fn sent<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> u64 {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let times = digests.into_iter().filter_map(|digest| sent.get(digest));
        times.sum()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Digest, BlobState>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// Records that the engine has all blobs of the claim, of which `sent` were sent now.
    pub fn fulfilled(mut self, sent: &[Digest]) {
        let mut times = self
            .known
            .sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for digest in sent {
            *times.entry(*digest).or_default() += 1;
        }
        drop(times);
        let mut known = self.known.known();
        let blobs = std::mem::take(&mut self.blobs);
        known.extend(blobs.into_iter().map(|digest| (digest, BlobState::Present)));
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut known = self.known.known();
        for digest in &self.blobs {
            known.remove(digest);
        }
        drop(known);
        self.known.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn digests() -> [Digest; 3] {
        [b"a", b"b", b"c"].map(|content| Digest::of(content))
    }

    fn poll(future: std::pin::Pin<&mut impl Future<Output = bool>>) -> Poll<bool> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_blob_is_claimed_by_one_and_waited_for_by_the_others() {
        let (known, [a, b, c]) = (KnownBlobs::default(), digests());
        let claim = known.claim([&a, &b]);
        assert_eq!(claim.blobs, [a, b]);
        let other = known.claim([&b, &c]);
        assert_eq!(other.blobs, [c]);
        other.fulfilled(&[c]);
        let wanted = [b, c];
        let mut waiting = pin!(known.wait(&wanted));
        assert_eq!(poll(waiting.as_mut()), Poll::Pending);
        claim.fulfilled(&[a]);
        assert_eq!(poll(waiting), Poll::Ready(true));
        assert!(known.claim([&a, &b, &c]).blobs.is_empty());
        assert_eq!((known.sent([&a, &c]), known.sent([&b])), (2, 0));
    }

    #[test]
    fn what_was_not_sent_is_anybodys_again() {
        let (known, [a, ..]) = (KnownBlobs::default(), digests());
        let claim = known.claim([&a]);
        let wanted = [a];
        let mut waiting = pin!(known.wait(&wanted));
        assert_eq!(poll(waiting.as_mut()), Poll::Pending);
        drop(claim);
        assert_eq!(poll(waiting), Poll::Ready(false));
        assert_eq!(known.claim([&a]).blobs, [a]);
    }

    #[test]
    fn what_was_lost_is_looked_for_again() {
        let (known, [a, b, _]) = (KnownBlobs::default(), digests());
        known.claim([&a, &b]).fulfilled(&[]);
        known.forget([&b]);
        assert_eq!(known.claim([&a, &b]).blobs, [b]);
    }
}
