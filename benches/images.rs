//! What it takes to unpack an image of 10,000 files for the first time, against `tar x` of
//! its only layer and `umoci unpack` of the image; and another image on the same layer then.
//! And what jobs cost in that image, once it is unpacked, against jobs in a container that has
//! nothing but the program.
//!
//! All take turns, since machines are noisy: only the ratios of one run mean something.
//!
//! `cargo bench --bench images [-- ROUNDS [JOBS]]`

#[path = "../tests/fixture/image.rs"]
mod image;
mod measure;

use camino::Utf8Path;
use image::{Compression, Layer, TestImage, write_oci};
use maelstrom::image::{ImageSettings, Images};
use maelstrom::spec::{ImageReference, ImageUse};
use maelstrom::store::Store;
use maelstrom::{Client, ClientSettings, ContainerSpec, JobSpec};
use measure::{median, run_jobs};
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const FILES: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let [rounds, jobs] = measure::numbers([5, 1000]);
    let directory = tempfile::tempdir()?;
    let archive = archive()?;
    let image = TestImage::new().archive(&archive, Compression::Gzip);
    let another = image.clone().layer(Layer::new().file("own", b"content"));
    let size = archive.len() >> 20;

    drop(archive);
    let layout = directory.path().join("image");
    write_oci(&layout, &[("bench", &[&image]), ("another", &[&another])]);
    let blob = layout.join(image.blob(0));
    println!(
        "{FILES} files, {size} MiB, {} MiB with gzip; median of {rounds} rounds, in seconds:",
        fs::metadata(&blob)?.len() >> 20
    );
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        let target = directory.path().join("target");
        fs::create_dir(&target)?;
        let mut tar = Command::new("tar");
        tar.arg("xzf").arg(&blob).arg("-C").arg(&target);
        times[0].push(timed(|| run(&mut tar))?);
        maelstrom::store::remove_tree(&target)?;
        let mut umoci = Command::new("umoci");
        umoci
            .args(["unpack", "--rootless", "--image"])
            .arg(format!("{}:bench", layout.display()))
            .arg(&target);
        times[1].push(timed(|| run(&mut umoci))?);
        maelstrom::store::remove_tree(&target)?;
        times[2].push(timed(|| unpack(&layout, "bench", &target))?);
        times[3].push(timed(|| unpack(&layout, "another", &target))?);
        maelstrom::store::remove_tree(&target)?;
    }
    let [tar, umoci, ours, another] = times.map(median);
    println!("  tar xzf          {tar:.2}");
    println!("  umoci unpack     {umoci:.2}");
    println!(
        "  to a tree        {ours:.2}   {:.2} x the faster of these",
        ours / tar.min(umoci)
    );
    println!("  another image    {another:.2}");

    let image = format!("oci:{}:bench", layout.display()).parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let in_image = job(Some(image))?;
    let alone = job(None)?;
    let mut times: [Vec<f64>; 2] = Default::default();
    runtime.block_on(async {
        let settings = ClientSettings::new(directory.path().join("cache"))?;
        let client = Client::start(&settings).await?;
        // Their layers are made before.
        run_jobs(&client, &in_image, 2).await?;
        run_jobs(&client, &alone, 2).await?;
        for _ in 0..rounds {
            times[0].push(run_jobs(&client, &in_image, jobs).await?);
            times[1].push(run_jobs(&client, &alone, jobs).await?);
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    let [in_image, alone] = times.map(median);
    println!("{jobs} jobs; median of {rounds} rounds, in milliseconds a job:");
    println!("  nothing else     {alone:.3}");
    println!(
        "  in the image     {in_image:.3}   {:.2} x",
        in_image / alone
    );
    Ok(())
}

fn job(image: Option<ImageReference>) -> Result<JobSpec, Box<dyn Error>> {
    measure::empty_job(ContainerSpec {
        image: image.map(|image| ImageUse {
            layers: true,
            ..ImageUse::nothing(image)
        }),
        ..ContainerSpec::default()
    })
}

/// From the image's name to a tree that is ready.
fn unpack(layout: &Path, name: &str, target: &Path) -> Result<(), Box<dyn Error>> {
    let images = Images::new(ImageSettings::new(target.join("depot"), |_| None));
    let name = format!("oci:{}:{name}", layout.display()).parse()?;
    let image = images.find(&name, Utf8Path::new("/"))?;
    let store = Store::open(&target.join("store"), 10 << 30)?;
    let unpacked = maelstrom::layer::image::unpack(&store, &image)?;
    assert!(unpacked.manifest.len() > FILES);
    store.add_tree(&unpacked.manifest)?;
    Ok(())
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// In seconds; nothing of what was done before is still being written.
fn timed(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    rustix::fs::sync();
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64())
}

/// Files of many sizes, as in an image of a distribution: most small, a few large. Their
/// content is the same each time, and half as large with gzip.
fn archive() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let words: Vec<Vec<u8>> = (0..4096)
        .map(|_| {
            let length = 2 + random.below(12);
            (0..length).map(|_| random.next() as u8).collect()
        })
        .collect();
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..FILES {
        let size = match number % 100 {
            0 => 2_000_000,
            1..10 => 100_000 + random.below(200_000),
            _ => 200 + random.below(20_000),
        };
        let mut content = Vec::with_capacity(size + 16);
        while content.len() < size {
            content.write_all(&words[random.below(words.len())])?;
        }
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        let path = format!("usr/share/{}/{}/file-{number}", number % 37, number % 11);
        builder.append_data(&mut header, path, content.as_slice())?;
    }
    Ok(builder.into_inner()?)
}

/// Numbers that are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
