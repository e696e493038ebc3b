//! Uploads and downloads of blobs, without workers.

use crate::client::Client;
use crate::engine::Engine;
use crate::needs_engine;
use maelstrom::engine::{BlobContent, Problem, Progress, UploadBlob, WantedFile, random_word};
use maelstrom::store::Digest;
use std::fs;
use std::sync::Arc;

/// Random bytes that no other test uses.
fn fresh(size: usize) -> Vec<u8> {
    let mut bytes = random_word().into_bytes();
    let mut state = u64::from_str_radix(&random_word(), 16).unwrap() | 1;
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_ne_bytes());
    }
    bytes.truncate(size);
    bytes
}

#[tokio::test]
async fn blobs_of_all_sizes_are_downloaded_unchanged_and_uploaded_only_once() {
    needs_engine!();
    let engine = Client::of(Engine::shared()).await.engine;
    let directory = tempfile::tempdir().unwrap();
    let sizes = [0, 1, 5000, 5000, 900_000, 900_000, 2 << 20, 9 << 20];
    let contents: Vec<_> = sizes.into_iter().map(fresh).collect();
    let mut blobs: Vec<_> = contents
        .iter()
        .map(|bytes| UploadBlob::of(bytes.clone()))
        .collect();
    // One of the large ones is a file.
    let path = directory.path().join("large");
    fs::write(&path, &contents[7]).unwrap();
    blobs[7].content = BlobContent::File(path);
    let progress = Arc::new(Progress::default());
    let all: u64 = sizes.iter().map(|size| *size as u64).sum();
    let first = engine.upload(blobs.clone(), &progress).await.unwrap();
    assert_eq!(first.bytes, all);
    assert_eq!((progress.done(), progress.total()), (all, all));
    let again = engine.upload(blobs.clone(), &progress).await.unwrap();
    assert_eq!((again.blobs, again.bytes), (0, 0));

    let digests: Vec<_> = blobs.iter().map(|blob| blob.digest).collect();
    let read = engine.read_all(digests.clone()).await.unwrap();
    for (digest, content) in digests.iter().zip(&contents) {
        assert!(read[digest] == *content, "{digest}");
    }
    let wanted = digests
        .iter()
        .enumerate()
        .map(|(index, digest)| WantedFile {
            digest: *digest,
            path: directory.path().join(index.to_string()),
            mode: 0o644,
        });
    let progress = Arc::new(Progress::default());
    engine.download(wanted, &progress).await.unwrap();
    assert_eq!((progress.done(), progress.total()), (all, all));
    for (index, content) in contents.iter().enumerate() {
        let file = fs::read(directory.path().join(index.to_string())).unwrap();
        assert!(file == *content, "{index}");
    }
}

#[tokio::test]
async fn an_error_names_all_missing_blobs() {
    needs_engine!();
    let engine = Client::of(Engine::shared()).await.engine;
    let there = UploadBlob::of(fresh(100));
    engine
        .upload([there.clone()], &Arc::default())
        .await
        .unwrap();
    let mut absent = [
        Digest::of(&fresh(101)),
        Digest::of(&fresh(102)),
        Digest::of(&fresh(3 << 20)),
    ];
    absent.sort_unstable();
    let error = engine
        .read_all(absent.into_iter().chain([there.digest]))
        .await
        .unwrap_err();
    let Problem::Missing(missing) = &error.problem else {
        panic!("{error}")
    };
    assert_eq!(*missing, absent);
    let missing = engine.find_missing(absent).await.unwrap();
    assert_eq!(missing.len(), 3);
}

#[tokio::test]
async fn a_file_that_changed_after_it_was_hashed_is_refused() {
    needs_engine!();
    let engine = Client::of(Engine::shared()).await.engine;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, fresh(2 << 20)).unwrap();
    let blob = UploadBlob {
        digest: Digest::of(&fresh(2 << 20)),
        content: BlobContent::File(file.path().to_owned()),
    };
    let error = engine.upload([blob.clone()], &Arc::default()).await;
    assert!(error.is_err());
    let missing = engine.find_missing([blob.digest]).await.unwrap();
    assert_eq!(missing.len(), 1);
}
