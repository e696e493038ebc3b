//! The microarchitecture levels of the processor, above the baseline of its architecture.

/// The `glibc-hwcaps` subdirectories that the loader searches on this machine, best first: see
/// ld.so(8) and the [x86-64 psABI](https://gitlab.com/x86-psABIs/x86-64-ABI). Levels of other
/// architectures are not detected.
#[cfg(target_arch = "x86_64")]
pub(super) fn levels() -> &'static [&'static str] {
    use std::arch::is_x86_feature_detected as has;

    let v2 = has!("sse3")
        && has!("ssse3")
        && has!("sse4.1")
        && has!("sse4.2")
        && has!("popcnt")
        && has!("cmpxchg16b");
    let v3 = v2
        && has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("f16c")
        && has!("fma")
        && has!("lzcnt")
        && has!("movbe");
    let v4 = v3
        && has!("avx512f")
        && has!("avx512bw")
        && has!("avx512cd")
        && has!("avx512dq")
        && has!("avx512vl");
    match (v2, v3, v4) {
        (_, _, true) => &["x86-64-v4", "x86-64-v3", "x86-64-v2"],
        (_, true, _) => &["x86-64-v3", "x86-64-v2"],
        (true, _, _) => &["x86-64-v2"],
        _ => &[],
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn levels() -> &'static [&'static str] {
    &[]
}
