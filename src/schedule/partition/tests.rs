use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const METHODS: &[PartitionMethod] = PartitionMethod::VARIANTS;

/// Test cases by number: names, ignored or not, and durations in milliseconds.
type Tests = Vec<(String, TargetKind, bool, bool, Option<u64>)>;

fn divisible(tests: &Tests) -> Vec<DivisibleTest<'_>> {
    let tests = tests.iter();
    tests
        .map(|(name, kind, ignored, runs, millis)| DivisibleTest {
            case: TestCaseName {
                package: "package",
                kind: *kind,
                target: "target",
                name,
            },
            ignored: *ignored,
            runs: *runs,
            estimate: millis.map(Duration::from_millis),
        })
        .collect()
}

fn of_names(names: &[&str]) -> Tests {
    let names = names.iter();
    names
        .map(|name| ((*name).to_owned(), TargetKind::Library, false, true, None))
        .collect()
}

fn some_tests() -> impl Strategy<Value = Tests> {
    let kind = prop_oneof![
        Just(TargetKind::Library),
        Just(TargetKind::Test),
        Just(TargetKind::Binary)
    ];
    let test = (
        kind,
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0_u64..10_000),
    );
    prop::collection::btree_map("[a-z]{1,6}", test, 0..60).prop_map(|tests| {
        let tests = tests.into_iter();
        tests
            .map(|(name, (kind, ignored, runs, millis))| (name, kind, ignored, runs, millis))
            .collect()
    })
}

proptest! {
    #[test]
    fn every_test_is_in_exactly_one_part(tests in some_tests(), of in 1_u32..9) {
        for &method in METHODS {
            let division = Division::new(method, of, &divisible(&tests));
            prop_assert_eq!(division.parts.len(), tests.len());
            for part in division.parts {
                prop_assert!((1..=of).contains(&part));
            }
        }
    }

    #[test]
    fn the_order_in_which_tests_are_listed_does_not_matter(tests in some_tests(), of in 1_u32..9) {
        let reversed: Tests = tests.iter().cloned().rev().collect();
        for &method in METHODS {
            let one = Division::new(method, of, &divisible(&tests));
            let mut other = Division::new(method, of, &divisible(&reversed));
            other.parts.reverse();
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn slices_differ_by_at_most_one_test(names in prop::collection::btree_set("[a-z]{1,6}", 0..60), of in 1_u32..9) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let division = Division::new(PartitionMethod::Slice, of, &divisible(&of_names(&names)));
        let sizes = (1..=of).map(|part| division.parts.iter().filter(|&&other| other == part).count());
        let sizes: Vec<usize> = sizes.collect();
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{:?}", sizes);
    }

    #[test]
    fn a_partition_is_written_as_it_is_read(part in 1_u32..50, more in 0_u32..50) {
        for &method in METHODS {
            let partition = TestPartition { method, part, of: part + more };
            prop_assert_eq!(partition.to_string().parse(), Ok(partition));
        }
    }

    #[test]
    fn no_text_makes_parsing_panic(text in ".*") {
        let _ = text.parse::<TestPartition>();
    }
}

#[test]
fn names_have_the_hashes_of_nextest() {
    // xxhash64 with the seed 0, of which the specification has the first value.
    assert_eq!(XxHash64::oneshot(0, b""), 0xef46_db37_51d8_e999);
    assert_eq!(
        part_of_name("", 1000),
        (0xef46_db37_51d8_e999_u64 % 1000) as u32 + 1
    );
}

#[test]
fn slices_are_dealt_in_turn_across_binaries_and_tests_that_do_not_run_apart() {
    let test = |name: &str, kind, ignored, runs| (name.to_owned(), kind, ignored, runs, None);
    let tests = vec![
        test("in_test", TargetKind::Test, false, true),
        test("b", TargetKind::Library, false, true),
        test("a", TargetKind::Library, true, false),
        test("c", TargetKind::Library, false, true),
        test("d", TargetKind::Library, true, false),
    ];
    let division = Division::new(PartitionMethod::Slice, 2, &divisible(&tests));
    assert_eq!(division.parts, [1, 1, 1, 2, 2]);
}

#[test]
fn a_wrong_partition_is_answered_with_what_to_write() {
    let error = |text: &str| text.parse::<TestPartition>().unwrap_err();
    assert_eq!(
        error("count:1/2"),
        "`count` is not supported; use `slice:1/2`"
    );
    assert_eq!(error("slice:3/2"), "the part must be a number from 1 to 2");
    assert_eq!(error("slice:0/2"), "the part must be a number from 1 to 2");
    for text in [
        "",
        "1/2",
        "hash",
        "hash:1",
        "hash:a/b",
        "other:1/2",
        "hash:1/2/3",
    ] {
        assert!(error(text).starts_with("expected `hash:K/N`"), "{text}");
    }
}

/// Durations with the skew of real suites: most tests take milliseconds, a few take seconds. The
/// numbers are from a generator with a fixed seed, and log-normal in shape.
fn recorded(count: usize, mut seed: u64) -> Vec<Option<Duration>> {
    let mut uniform = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let durations = (0..count).map(|_| {
        // The sum of twelve uniform numbers is nearly normal.
        let normal: f64 = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        Some(Duration::from_secs_f64(0.008 * (1.6 * normal).exp()))
    });
    durations.collect()
}

#[test]
fn parts_by_time_take_equally_long() {
    for seed in 1..20 {
        let estimates = recorded(2000, seed);
        let seconds = |of: &[Option<Duration>]| -> f64 {
            of.iter().flatten().map(Duration::as_secs_f64).sum()
        };
        let longest = estimates.iter().flatten().max().unwrap().as_secs_f64();
        for of in 2..=20 {
            let parts = by_time::divide(&estimates, of);
            let bound = (seconds(&estimates) / f64::from(of)).max(longest);
            for part in 1..=of {
                let tests = estimates.iter().zip(&parts);
                let tests: Vec<_> = tests
                    .filter(|(_, other)| **other == part)
                    .map(|(estimate, _)| *estimate)
                    .collect();
                let ratio = seconds(&tests) / bound;
                assert!(ratio <= 1.05, "part {part} of {of}, seed {seed}: {ratio}");
            }
        }
    }
}

#[test]
fn moving_tests_mends_what_the_longest_first_leaves_uneven() {
    // Longest first gives the parts 3 + 2 + 2 and 3 + 2 seconds.
    let seconds = [3, 3, 2, 2, 2].map(|seconds| Some(Duration::from_secs(seconds)));
    let parts = by_time::divide(&seconds, 2);
    let first = seconds.iter().zip(&parts).filter(|(_, part)| **part == 1);
    let first: u64 = first.map(|(seconds, _)| seconds.unwrap().as_secs()).sum();
    assert_eq!(first, 6);
}

#[test]
fn there_may_be_many_more_parts_than_tests() {
    let parts = by_time::divide(&recorded(3, 1), u32::MAX);
    assert_eq!(parts.iter().collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn a_test_without_a_duration_counts_as_the_median() {
    let known = |seconds| Some(Duration::from_secs(seconds));
    // 1 + 9 = 10 in one part, 5 + 5 in the other.
    let parts = by_time::divide(&[known(1), None, known(5), known(9)], 2);
    assert_eq!(parts[0], parts[3]);
    assert_eq!(parts[1], parts[2]);
    assert_ne!(parts[0], parts[1]);
}

#[test]
fn other_durations_make_another_digest() {
    let mut tests = of_names(&["a", "b", "c", "d"]);
    for test in &mut tests {
        test.4 = Some(1000);
    }
    let digest = |tests: &Tests, of| {
        let tests = divisible(tests);
        Division::new(PartitionMethod::Time, of, &tests).digest
    };
    let before = digest(&tests, 2);
    assert_eq!(before.len(), DIGITS);
    assert_ne!(digest(&tests, 3), before);
    tests[2].4 = Some(5000);
    assert_ne!(digest(&tests, 2), before);
}
