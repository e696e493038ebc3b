//! `cargo maelstrom`.
use maelstrom::container::*;
use std::time::*;
fn main() {
    run_if_launcher();
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let args: Vec<String> = std::env::args().collect();
    let n: usize = args[1].parse().unwrap();
    let slots: usize = args[2].parse().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&rt, async move {
        let mut handles = vec![];
        let start = Instant::now();
        for _ in 0..slots {
            let args = args.clone();
            handles.push(tokio::task::spawn_local(async move {
                let t = Instant::now();
                let mut l = Launcher::start("/proc/self/exe".as_ref(), &LauncherConfig { trees: args[3].clone().into(), network: NetworkKind::Loopback, binds: vec![] }).await.unwrap();
                eprintln!("launcher {:?}", t.elapsed());
                let mounts = [("/tmp", MountKind::Tmp), ("/proc", MountKind::Proc), ("/sys", MountKind::Sys),
                  ("/dev/full", MountKind::Device(0)),("/dev/null", MountKind::Device(2)),("/dev/random", MountKind::Device(3)),("/dev/shm", MountKind::Device(4)),("/dev/tty", MountKind::Device(5)),("/dev/urandom", MountKind::Device(6)),("/dev/zero", MountKind::Device(7)),
                  ("/dev/pts", MountKind::Devpts), ("/dev/mqueue", MountKind::Mqueue), ("/home", MountKind::Tmp)];
                let nm: usize = std::env::var("NM").map_or(99, |v| v.parse().unwrap()); let ro = std::env::var("RO").is_ok(); let ini = std::env::var("NOINIT").is_err();
 let mounts: Vec<_> = mounts.into_iter().take(nm).collect();
let req = Request::<&str> {
                    lowers: vec!["root"], root: if ro {Root::ReadOnly} else {Root::Scratch},
                    mounts: mounts.iter().map(|(p,k)| MountStep{kind:*k, mount_point: *p}).collect(),
                    user: 1000, group: 1000, init: ini, hostname: "x", working_directory: "/",
                    program: &args[4], arguments: args[5..].iter().map(|s| s.as_str()).collect(), environment: vec!["PATH=/bin"],
                    timeout: Duration::from_secs(0), open_files: 1024, scratch_size: 1<<30, watched: vec![],
                };
                for i in 0..n / slots {
                    use std::os::fd::*;
                    let out = if n <= 4 { std::io::stderr().as_fd().try_clone_to_owned().unwrap() } else { std::fs::File::create("/dev/null").unwrap().into() };
                    let out2 = out.try_clone().unwrap();
                    let r = l.run(&req, out, out2).await.unwrap();
                    match r { JobEnd::Ended(e) if n > 4 => assert_eq!(e.wait_status, 0), r => { eprintln!("{i} {r:?}"); } }
                }
            }));
        }
        for h in handles { h.await.unwrap(); }
        println!("{:.3} ms per job", start.elapsed().as_secs_f64() * 1e3 / n as f64);
    });
}
